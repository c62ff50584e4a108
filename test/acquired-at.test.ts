// The stack of an acquire is taken in programs that have made of Error what they like. It must never fail a lock.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { afterEach, expect, test } from 'vitest'

import { AcquiredAt } from '../src/acquired-at.js'

const before: unknown = Reflect.get(Error, 'prepareStackTrace')
afterEach(() => void Reflect.set(Error, 'prepareStackTrace', before))

test('names the caller, and leaves the limit of stacks as it was', () => {
  const { stackTraceLimit } = Error
  const at = new AcquiredAt()
  expect(Error.stackTraceLimit).toBe(stackTraceLimit)
  expect(at.text?.split('\n')[0]).toContain(fileURLToPath(import.meta.url))
})

test.each<[string, (error: Error, sites: NodeJS.CallSite[]) => unknown]>([
  ['an array', (_, sites) => sites],
  ['a text without lines', () => 'no stack'],
  ['nothing', () => undefined],
  [
    'an error of its own',
    () => {
      throw new Error('bad hook')
    },
  ],
])('has no text where the program’s own prepareStackTrace answers with %s', (_, prepare) => {
  Reflect.set(Error, 'prepareStackTrace', prepare)
  expect(new AcquiredAt().text).toBeNull()
})

test.each([
  ['frozen', 'Object.freeze(Error)'],
  ['without a limit', 'delete Error.stackTraceLimit'],
  ['with a limit that cannot be set', "Object.defineProperty(Error, 'stackTraceLimit', { value: 3, writable: false })"],
])('acquires and waits where Error is %s, and a request that is refused holds nothing later', (_, harden) => {
  const program = `
    import { acquire, holds, Owner } from 'holdfast'
    import { mkdtempSync } from 'node:fs'
    import { tmpdir } from 'node:os'
    import { join } from 'node:path'
    ${harden}
    const path = join(mkdtempSync(join(tmpdir(), 'holdfast-')), 'file')
    const hold = await acquire(path, { owner: new Owner('lane') })
    const late = await acquire(path, { timeout: 20 }).catch((error) => error.code)
    hold.release()
    const next = acquire(path)
    ;(await next).release()
    console.log(late, holds().length)
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout.trim()).toBe('ERR_LOCK_TIMEOUT 0')
})
