// flock(2) is a contract with every other program that uses it on the same file: shell scripts, cron jobs, Python.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

import { describe, expect, onTestFinished, test } from 'vitest'

import { acquire, tryAcquire } from '../../src/index.js'
import { missing, posix, program } from '../helpers/capabilities.js'
import { killAfterTest } from '../helpers/end.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'

interface Peer {
  readonly program: string
  /** The exit status of a try that found the lock busy. */
  readonly busy: number
  /** Takes the lock, says so, and keeps it until its input ends. */
  hold(lockfile: string, mode: 'exclusive' | 'shared'): [command: string, ...args: string[]]
  /** One non-blocking try. */
  attempt(lockfile: string, mode: 'exclusive' | 'shared'): [command: string, ...args: string[]]
}

const UNTIL_INPUT_ENDS = 'echo held; cat >/dev/null'

const flock: Peer = {
  program: 'flock',
  busy: 1,
  hold: (lockfile, mode) => ['flock', `--${mode}`, lockfile, 'sh', '-c', UNTIL_INPUT_ENDS],
  attempt: (lockfile, mode) => ['flock', '-n', `--${mode}`, lockfile, 'true'],
}

const PYTHON = `
import fcntl, sys
lockfile, operation, then = sys.argv[1:]
file = open(lockfile, 'a+')
try:
    fcntl.flock(file, eval(operation, {'LOCK_EX': fcntl.LOCK_EX, 'LOCK_SH': fcntl.LOCK_SH, 'LOCK_NB': fcntl.LOCK_NB}))
except BlockingIOError:
    sys.exit(9)
if then == 'hold':
    print('held', flush=True)
    sys.stdin.read()
`
const OPERATION = { exclusive: 'LOCK_EX', shared: 'LOCK_SH' }

const python: Peer = {
  program: 'python3',
  busy: 9,
  hold: (lockfile, mode) => ['python3', '-c', PYTHON, lockfile, OPERATION[mode], 'hold'],
  attempt: (lockfile, mode) => ['python3', '-c', PYTHON, lockfile, `${OPERATION[mode]}|LOCK_NB`, 'end'],
}

/** The peer in a process group of its own, so that a command it runs does not outlive the test. */
function start([command, ...args]: [string, ...string[]]): ChildProcess {
  const child = spawn(command, args, { detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  if (child.pid !== undefined) killAfterTest(-child.pid)
  return child
}

async function held(peer: ChildProcess): Promise<void> {
  await once(peer.stdout ?? peer, 'data')
}

/** Ends the peer's input, and with it the peer. */
async function finish(peer: ChildProcess): Promise<void> {
  const ended = once(peer, 'exit')
  peer.stdin?.end()
  await ended
}

function status([command, ...args]: [string, ...string[]]): number | null {
  return spawnSync(command, args, { stdio: 'ignore' }).status
}

describe.each([
  ['flock(1)', flock],
  ['fcntl.flock() of Python', python],
])('%s', (_name, peer) => {
  const skipped = missing(posix, program(peer.program))

  function lockfile(): string {
    const file = join(scratch(), 'lock')
    // The file must be there before others wait on it.
    tryAcquire(file, { lockfile: file })?.release()
    return file
  }

  test.skipIf(skipped)('its lock makes tryAcquire() answer null, and the end of its lock makes it answer', async () => {
    const file = lockfile()
    const other = start(peer.hold(file, 'exclusive'))
    await held(other)
    expect(tryAcquire(file, { lockfile: file })).toBeNull()
    expect(tryAcquire(file, { lockfile: file, mode: 'shared' })).toBeNull()

    await finish(other)
    const hold = tryAcquire(file, { lockfile: file })
    expect(hold).not.toBeNull()
    hold?.release()
  })

  test.skipIf(skipped)('our waiter is granted when it lets go', async () => {
    const file = lockfile()
    const other = start(peer.hold(file, 'exclusive'))
    await held(other)
    const waiting = acquire(file, { lockfile: file, timeout: Infinity })
    await waiterBlocked(file, process.pid)

    await finish(other)
    const hold = await waiting
    expect(hold.held).toBe(true)
    hold.release()
  })

  test.skipIf(skipped)('our waiter is granted when it is killed', async () => {
    const file = lockfile()
    const other = start(peer.hold(file, 'exclusive'))
    await held(other)
    const waiting = acquire(file, { lockfile: file, timeout: Infinity })
    await waiterBlocked(file, process.pid)

    process.kill(-(other.pid ?? NaN), 'SIGKILL')
    const hold = await waiting
    expect(hold.held).toBe(true)
    hold.release()
  })

  test.skipIf(skipped)('our lock makes its non-blocking try fail, and our release makes it succeed', async () => {
    const file = lockfile()
    const hold = await acquire(file, { lockfile: file })
    expect(status(peer.attempt(file, 'exclusive'))).toBe(peer.busy)
    expect(status(peer.attempt(file, 'shared'))).toBe(peer.busy)

    hold.release()
    expect(status(peer.attempt(file, 'exclusive'))).toBe(0)
  })

  test.skipIf(skipped)('its blocked wait is granted when we release', async () => {
    const file = lockfile()
    const hold = await acquire(file, { lockfile: file })
    const other = start(peer.hold(file, 'exclusive'))
    const granted = held(other)
    await waiterBlocked(file, other.pid)
    await mustStayBlocked(granted)

    hold.release()
    await granted
    expect(tryAcquire(file, { lockfile: file })).toBeNull()
    await finish(other)
  })

  test.skipIf(skipped)('shared locks of both sides go together and keep exclusive ones out', async () => {
    const file = lockfile()
    const other = start(peer.hold(file, 'shared'))
    await held(other)
    const hold = tryAcquire(file, { lockfile: file, mode: 'shared' })
    onTestFinished(() => hold?.release())

    expect(hold).not.toBeNull()
    expect(status(peer.attempt(file, 'shared'))).toBe(0)
    expect(status(peer.attempt(file, 'exclusive'))).toBe(peer.busy)
    await finish(other)
    expect(status(peer.attempt(file, 'exclusive'))).toBe(peer.busy)
    hold?.release()
    expect(status(peer.attempt(file, 'exclusive'))).toBe(0)
  })

  test.skipIf(skipped)('a lock file that it made excludes both ways like one of ours', async () => {
    const file = join(scratch(), 'lock')
    const other = start(peer.hold(file, 'exclusive'))
    await held(other)
    expect(tryAcquire(file, { lockfile: file })).toBeNull()

    await finish(other)
    const hold = tryAcquire(file, { lockfile: file })
    expect(hold).not.toBeNull()
    expect(status(peer.attempt(file, 'exclusive'))).toBe(peer.busy)
    hold?.release()
  })
})
