// A refusal of the system has the name that the system gives it.
import { constants } from 'node:os'

import { describe, expect, test } from 'vitest'

import { systemError } from '../../src/coordination/system-error.js'
import { SystemError } from '../../src/kernel/system-error.js'
import { missing, posix } from '../helpers/capabilities.js'

describe('the name of a system error', () => {
  test.skipIf(missing(posix)).each(Object.entries(constants.errno))('%s is known by its number', (name, number) => {
    const { code } = new SystemError(-number, 'flock', '/a.hold')
    expect(Reflect.get(constants.errno, code)).toBe(number) // some have two names
    expect(code.startsWith('E'), name).toBe(true)
  })

  test('of a number that the system does not have says so', () => {
    expect(new SystemError(-4_000_000, 'flock', '/a.hold').code).toContain('4000000')
  })

  test.skipIf(missing(posix))('ENOLCK is that of a filesystem that cannot lock', () => {
    const error = systemError(new SystemError(-constants.errno.ENOLCK, 'flock', '/a.hold'), {
      target: '/a',
      lockfile: '/a.hold',
    })
    expect(error).toMatchObject({ code: 'ERR_LOCK_UNSUPPORTED', cause: { code: 'ENOLCK' } })
  })
})
