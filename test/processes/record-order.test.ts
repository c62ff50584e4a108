// A lock is free only when its record says so: who has it next would else find himself written over.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { missing, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/ends.mjs', import.meta.url))
const lacking = missing(program('strace'))

/** The calls on the lock file: `lock`, `write`, `unlock`. */
function callsOf(way: string): string[] {
  const folder = scratch()
  const [file, log] = [join(folder, 'data'), join(folder, 'log')]
  writeFileSync(`${file}.hold`, '')
  const trace = ['-f', '-qq', '-o', log, '-P', `${file}.hold`, '-e', 'trace=flock,pwrite64']
  const { status, stderr } = spawnSync('strace', [...trace, process.execPath, PROGRAM, file, way], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  return readFileSync(log, 'latin1')
    .split('\n')
    .flatMap((line) => {
      if (line.includes('LOCK_UN')) return ['unlock']
      if (line.includes('flock(')) return ['lock']
      return line.includes('pwrite64(') ? ['write'] : []
    })
}

test.skipIf(lacking).each(['release', 'owner', 'all', 'max-hold'])(
  'by %s: the record of the end is written before the lock is free, and nothing after it',
  (way) => {
    expect(callsOf(way)).toEqual(['lock', 'write', 'write', 'unlock'])
  },
)
