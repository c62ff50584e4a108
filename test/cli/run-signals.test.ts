// Signals to `holdfast run`: the command gets each of them once, and whoever started it sees how it ended.
import { constants } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { inspect, tryAcquire } from '../../src/index.js'
import { missing, posix } from '../helpers/capabilities.js'
import { killAfterTest } from '../helpers/end.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { scratch } from '../helpers/scratch.js'
import { COMMAND, PROGRAM, Running } from './program.js'
import { CTRL_BACKSLASH, CTRL_C, onTerminal, terminals } from './terminal.js'

const skipped = missing(posix)
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const
/** Those by which it dies itself. */
const DEATHS: readonly string[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

const endedBy = (signal: (typeof PASSED_ON)[number]) =>
  DEATHS.includes(signal) ? { code: null, signal } : { code: 128 + constants.signals[signal], signal: null }

describe('while it waits', () => {
  test.skipIf(skipped).each(PASSED_ON)('%s ends the wait', async (signal) => {
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path)
    const running = Running.holdfast(['run', path, 'echo', 'granted'])
    await running.begunWaiting(`${path}.hold`)
    process.kill(running.pid, signal)
    expect(await running.ended).toEqual(endedBy(signal))
    expect(running.output + running.errors).toBe('')
    hold?.release()
    expect(inspect(path).holders).toEqual([])
  })
})

describe('while the command runs', () => {
  test.skipIf(skipped)('each signal reaches it, in order, and what it exits with is returned', async () => {
    const running = Running.holdfast(['run', join(scratch(), 'data'), '--', ...COMMAND, '9'])
    await running.says('.')
    for (const signal of PASSED_ON) {
      process.kill(running.pid, signal)
      await running.says(signal)
    }
    expect(await running.finish()).toEqual({ code: 9, signal: null })
    expect(running.output.split('\n').slice(1, -1)).toEqual(PASSED_ON)
  })

  test.skipIf(skipped).each(PASSED_ON)('%s that kills it ends holdfast too, as shells see it', async (signal) => {
    const path = join(scratch(), 'data')
    const running = Running.holdfast(['run', path, '--', 'sh', '-c', 'echo begun; exec cat'])
    await running.says('begun')
    process.kill(running.pid, signal)
    expect(await running.ended).toEqual(endedBy(signal))
    expect(inspect(path)).toMatchObject({ state: 'free', record: { state: 'free' } })
  })
})

describe('on a terminal', () => {
  const skipped = missing(terminals)

  test.skipIf(skipped).each([
    ['^C', CTRL_C, 'SIGINT'],
    ['^\\', CTRL_BACKSLASH, 'SIGQUIT'],
  ])('%s reaches the command once', async (_key, typed, signal) => {
    const running = onTerminal([process.execPath, PROGRAM, 'run', join(scratch(), 'data'), '--', ...COMMAND])
    await running.says('.')
    running.type(typed)
    await running.says(signal)
    // Whatever follows the first would come before what is sent now.
    process.kill(wrapperOf(running), 'SIGUSR1')
    await running.says('SIGUSR1')
    expect(running.output.split(signal)).toHaveLength(2)
  })

  test.skipIf(skipped)('a SIGINT to a job in the background is passed on: nobody typed it', async () => {
    const program = [process.execPath, PROGRAM, 'run', join(scratch(), 'data'), '--', ...COMMAND]
    // Its input is not the terminal, which would stop it, and does not end.
    const script = 'set -m; mkfifo input; exec 3<>input; "$@" <&3 & wait'
    const running = onTerminal(['bash', '-c', script, 'bash', ...program], { cwd: scratch() })
    await running.says('.')
    process.kill(wrapperOf(running), 'SIGINT')
    await running.says('SIGINT')
  })

  test.skipIf(skipped)('^C ends a loop of a shell as well, which goes by what the command died of', async () => {
    const loop = 'for n in 1 2 3; do "$@"; echo after; done'
    const inner = [process.execPath, PROGRAM, 'run', join(scratch(), 'data'), '--', 'sh', '-c', 'echo begun; exec cat']
    const running = onTerminal(['bash', '-c', loop, 'bash', ...inner])
    await running.says('begun')
    running.type(CTRL_C)
    expect(await running.ended).toEqual({ code: 128 + 2, signal: null })
    expect(running.output).not.toContain('after')
  })

  test.skipIf(skipped)('^C ends a wait', async () => {
    const path = join(scratch(), 'data')
    const hold = tryAcquire(path)
    const running = onTerminal([process.execPath, PROGRAM, 'run', path, 'true'])
    await waiterBlocked(`${path}.hold`)
    running.type(CTRL_C)
    expect(await running.ended).toEqual({ code: 128 + 2, signal: null })
    hold?.release()
  })
})

/** The parent of the command. A terminal that goes away ends neither of them for sure. */
function wrapperOf(running: Running): number {
  const [, command, wrapper] = (/child (\d+) of (\d+)\./.exec(running.output) ?? []).map(Number)
  if (command === undefined || wrapper === undefined) throw new Error(`it does not say who it is: ${running.output}`)
  killAfterTest(command)
  killAfterTest(wrapper)
  return wrapper
}
