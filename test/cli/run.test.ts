// What `holdfast run` exits with, and what its command sees.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, onTestFinished, test } from 'vitest'

import { inspect, tryAcquire } from '../../src/index.js'
import { missing, posix } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { holdfast, Running } from './program.js'

const skipped = missing(posix)

describe('exits', () => {
  const CASES: [args: string[], code: number][] = [
    [['run', 'data', '--', 'true'], 0],
    [['run', 'data', 'true'], 0],
    [['run', '--', 'data', 'true'], 0],
    [['run', '--', 'data', '--', 'true'], 0],
    [['run', 'data', '--', 'sh', '-c', 'exit 42'], 42],
    [['run', 'data', '-c', 'exit 43'], 43],
    [['run', '-c', 'exit 44', 'data'], 44],
    [['run', 'data', '-xn', '--', 'sh', '-c', 'exit 45'], 45],
    [['run', 'data', '--', 'sh', '-c', 'kill -KILL $$'], 128 + 9],
    [['run', 'data', '--', 'sh', '-c', 'kill -PIPE $$'], 128 + 13],
    [['run', 'data', '--', 'no-such-command'], 127],
    [['run', 'data', '--', './no-such/command'], 127],
    [['run', 'data', '--', '/'], 126],
    [['run', 'no-such-folder/data', '--', 'true'], 71],
    [['run', '--lockfile', '.', '--', 'true'], 71],
    [['run'], 64],
    [['run', 'data'], 64],
    [['run', 'data', '--'], 64],
    [['run', '', '--', 'true'], 64],
    [['run', 'data', '--', ''], 64],
    [['run', '-s', '-x', 'data', 'true'], 64],
    [['run', '-s', '-e', 'data', 'true'], 64],
    [['run', '--nonsense', 'data', 'true'], 64],
    [['run', '-w', 'soon', 'data', 'true'], 64],
    [['run', '-w', '-1', 'data', 'true'], 64],
    [['run', '-w', '', 'data', 'true'], 64],
    [['run', '--max-hold', '0', 'data', 'true'], 64],
    [['run', '-E', '256', 'data', 'true'], 64],
    [['run', '-c', 'true', 'data', 'true'], 64],
    [['run', '-w', '0', 'data', 'true'], 0],
    [['run', '-w', '1.5', '--max-hold', '.5', '-k', '1.', 'data', 'true'], 0],
  ]
  test.skipIf(skipped).each(CASES)('%j with %i', (args, code) => {
    const cwd = scratch()
    const ended = holdfast(args, { cwd })
    expect(ended.status).toBe(code)
    const lines = ended.stderr.split('\n')
    if (code === 64) expect(lines).toEqual([expect.stringMatching(/^holdfast: /), 'See holdfast run --help', ''])
    else if (code === 71 || code === 126 || code === 127) {
      expect(lines).toEqual([expect.stringMatching(/^holdfast: /), ''])
    } else expect(ended.stderr).toBe('')
    if (code === 64) expect(existsSync(join(cwd, 'data.hold'))).toBe(false)
  })

  test.skipIf(skipped)('with 75, or the code that was asked for, when somebody else has the lock, and says who', () => {
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path, { label: 'the test' })
    onTestFinished(() => hold?.release())
    const ended = holdfast(['run', '-n', path, 'true'])
    expect(ended.status).toBe(75)
    expect(ended.stderr).toMatch(/^holdfast: .*the test.*\n$/)
    expect(holdfast(['run', '-w', '0.01', path, 'true']).status).toBe(75)
    expect(holdfast(['run', '-n', '-E', '7', path, 'true']).status).toBe(7)
    expect(holdfast(['run', '-s', '-w', '0.01', '--busy-code', '0', path, 'false']).status).toBe(0)
    expect(holdfast(['run', '-nq', path, 'true'])).toMatchObject({ status: 75, stderr: '' })
  })
})

describe('the command', () => {
  test.skipIf(skipped)('runs under an exclusive lock, of which the record tells its name', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', path, '--', 'sh', '-c', 'echo held; cat; exit 9'])
    await running.says('held')
    expect(tryAcquire(path)).toBeNull()
    expect(inspect(path).record).toMatchObject({ state: 'held', pid: running.pid, label: 'sh' })
    expect(await running.finish()).toEqual({ code: 9, signal: null })
    expect(inspect(path)).toMatchObject({ state: 'free', record: { state: 'free' } })
  })

  test.skipIf(skipped)('shares a shared lock', async () => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', '-s', path, '--', 'sh', '-c', 'echo held; cat'])
    await running.says('held')
    expect(tryAcquire(path)).toBeNull()
    expect(holdfast(['run', '-sn', path, 'true']).status).toBe(0)
    await running.finish()
  })

  test.skipIf(skipped)('waits for the lock for ever', async () => {
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path)
    const running = Running.holdfast(['run', path, 'echo', 'granted'])
    await running.begunWaiting(`${path}.hold`)
    hold?.release()
    expect(await running.ended).toEqual({ code: 0, signal: null })
    expect(running.output).toBe('granted\n')
  })

  test.skipIf(skipped)('has arguments that look like ours for itself', () => {
    const path = join(scratch(), 'data')
    expect(holdfast(['run', path, 'echo', '-n', '--help', '--', '-c']).stdout).toBe('--help -- -c')
    expect(holdfast(['run', path, '--', 'echo', '--json', '-h']).stdout).toBe('--json -h\n')
  })

  test.skipIf(skipped)('has the fencing number in its environment: larger each time, and of no other lock', () => {
    const path = join(scratch(), 'data')
    const fence = (...options: string[]) =>
      holdfast(['run', ...options, path, '-c', 'echo "$HOLDFAST_FENCE"'], {
        env: { ...process.env, HOLDFAST_FENCE: '1' },
      }).stdout.trim()
    const first = Number(fence())
    expect(first).toBeGreaterThan(1)
    expect(Number(fence())).toBeGreaterThan(first)
    expect(fence('-s')).toBe('')
  })

  test.skipIf(skipped)('leaves a FILE that is data as it is, with and without --lockfile', () => {
    const path = join(scratch(), 'data')
    writeFileSync(path, 'precious')
    expect(holdfast(['run', path, 'true']).status).toBe(0)
    expect(holdfast(['run', '--lockfile', path, '-c', 'echo "${HOLDFAST_FENCE-none}"']).stdout).toBe('none\n')
    expect(readFileSync(path, 'utf8')).toBe('precious')
  })

  test.skipIf(skipped)('that is not executable is told from one that is not found', () => {
    const path = join(scratch(), 'script')
    writeFileSync(path, '#!/bin/sh\n', { mode: 0o600 })
    const { status, stderr } = holdfast(['run', path, path])
    expect(status).toBe(126)
    expect(stderr).toContain('EACCES')
  })

  test.skipIf(skipped)('shows no control characters of a path in an error', () => {
    const { status, stderr } = holdfast(['run', 'no-such-\x1b[31m\nfolder/data', 'true'], { cwd: scratch() })
    expect(status).toBe(71)
    expect(stderr).toContain('no-such-\\x1b[31m\\nfolder')
    expect(stderr.split('\n')).toHaveLength(2)
  })
})
