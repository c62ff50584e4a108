// A lock file that somebody deletes each time it is made.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { missing, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const SCRIPT = `
  import { tryAcquire } from 'holdfast'
  try {
    tryAcquire(process.argv[1])
    console.log('a hold')
  } catch ({ code, cause }) {
    console.log(JSON.stringify({ code, cause: cause?.code, syscall: cause?.syscall }))
  }`

test.skipIf(missing(program('strace')))('is not made for ever: whoever always deletes it is reported', () => {
  const folder = scratch()
  const path = join(folder, 'data')
  // Whoever opens what is there finds nothing; whoever makes it, which is each second one, makes it.
  const deleted = ['-P', `${path}.hold`, '-e', 'trace=openat,open', '-e', 'inject=openat,open:error=ENOENT:when=1+2']
  const { stdout, stderr } = spawnSync(
    'strace',
    ['-f', '-qq', '-o', join(folder, 'log'), ...deleted, process.execPath, '--input-type=module', '-e', SCRIPT, path],
    { encoding: 'utf8' },
  )
  expect(stdout, stderr).not.toBe('')
  expect(JSON.parse(stdout)).toEqual({ code: 'ERR_LOCK_SYSTEM', cause: 'EAGAIN', syscall: 'open' })
  expect(existsSync(`${path}.hold`)).toBe(true)
})
