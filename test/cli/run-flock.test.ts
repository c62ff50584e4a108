// `holdfast run --lockfile F` and `flock F` exclude each other, and a script that changes from one to the other finds the
// same letters.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { missing, posix, program } from '../helpers/capabilities.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { scratch } from '../helpers/scratch.js'
import { holdfast, Running } from './program.js'

const skipped = missing(posix, program('flock'))

function flock(...args: string[]): number | null {
  return spawnSync('flock', args).status
}

function lockfile(): string {
  const file = join(scratch(), 'lock')
  writeFileSync(file, '')
  return file
}

const HOLDING = ['-c', 'echo held; cat']

describe('flock(1)', () => {
  test.skipIf(skipped)('is kept out by holdfast run --lockfile, and let in after it', async () => {
    const file = lockfile()
    const ours = Running.holdfast(['run', '--lockfile', file, ...HOLDING])
    await ours.says('held')
    expect(flock('-n', file, 'true')).toBe(1)
    expect(flock('-sn', file, 'true')).toBe(1)
    const theirs = new Running(['flock', file, 'echo', 'granted'])
    await waiterBlocked(file, theirs.pid)
    await ours.finish()
    await theirs.says('granted')
  })

  test.skipIf(skipped)('keeps holdfast run --lockfile out, and lets it in afterwards', async () => {
    const file = lockfile()
    const theirs = new Running(['flock', file, ...HOLDING])
    await theirs.says('held')
    expect(holdfast(['run', '-n', '--lockfile', file, 'true']).status).toBe(75)
    const ours = Running.holdfast(['run', '--lockfile', file, 'echo', 'granted'])
    await ours.begunWaiting(file)
    await theirs.finish()
    await ours.says('granted')
  })

  test.skipIf(skipped)('shares a shared lock with it', async () => {
    const file = lockfile()
    const ours = Running.holdfast(['run', '-s', '--lockfile', file, ...HOLDING])
    await ours.says('held')
    expect(flock('-sn', file, 'true')).toBe(0)
    expect(flock('-xn', file, 'true')).toBe(1)
    await ours.finish()
  })

  test.skipIf(skipped)('ends in the same way for the same words', () => {
    const cwd = scratch()
    const CASES = [
      ['-n', 'lock', 'true'],
      ['-xn', 'lock', 'sh', '-c', 'exit 3'],
      ['-e', '-w', '1', 'lock', '-c', 'exit 4'],
      ['-s', '-w1.5', 'lock', 'sh', '-c', 'kill -KILL $$'],
      ['-o', '-E', '5', 'lock', 'true'],
      ['-n', 'lock', 'echo', '-n', 'text'],
      ['-w', 'never', 'lock', 'true'],
      ['-E', '1000', 'lock', 'true'],
    ]
    for (const words of CASES) {
      const { status, stdout } = spawnSync('flock', words, { cwd, encoding: 'utf8' })
      expect(holdfast(['run', '--lockfile', ...words], { cwd })).toMatchObject({ status, stdout })
    }
  })
})
