// A child inherits every descriptor that is not closed on exec, and a flock lasts until the last of them is closed: one
// open without O_CLOEXEC would make each child a silent holder that outlives its parent.
import type { SpawnOptions } from 'node:child_process'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { acquire } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { isAlive, killAfterTest } from '../helpers/end.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { scratch } from '../helpers/scratch.js'
import { ThreadElsewhere } from '../helpers/thread.js'

/** Ends by itself where a shell puts it out of our reach. */
const LASTING = 'setTimeout(() => {}, 60000)'

interface Way {
  readonly command: string
  readonly args: string[]
  readonly options: SpawnOptions
}

const NODE = { command: process.execPath, args: ['-e', LASTING] }

const WAYS: [way: string, Way][] = [
  ['as usual', { ...NODE, options: {} }],
  ['detached', { ...NODE, options: { detached: true, stdio: 'ignore' } }],
  ['with inherited streams', { ...NODE, options: { stdio: 'inherit' } }],
  ['through a shell', { command: `"${process.execPath}" -e "${LASTING}"`, args: [], options: { shell: true } }],
]

test.each(WAYS)(
  'a child spawned %s does not keep the lock of its killed parent',
  async (_way, { command, args, options }) => {
    const path = join(scratch(), 'data')
    // Detached, it leads a group: what its children spawn can be killed after it is gone.
    const parent = await Agent.start({ detached: true })
    const hold = await parent.acquire(path)
    const child = await parent.ask<number>('spawn', command, args, options)
    killAfterTest(child)
    killAfterTest(-parent.pid)

    const waiting = acquire(path, { timeout: Infinity })
    await waiterBlocked(hold.lockfile, process.pid)
    await parent.kill('SIGKILL')
    const ours = await waiting

    expect(isAlive(child)).toBe(true)
    expect(ours.recoveredFrom?.pid).toBe(parent.pid)
    ours.release()
  },
)

test.each(WAYS)(
  'a child spawned %s while its parent waits for the lock does not hold it later',
  async (_way, { command, args, options }) => {
    const path = join(scratch(), 'data')
    const first = await acquire(path)
    const parent = await Agent.start({ detached: true })
    // The waiter's descriptor is open during the spawn and becomes the holder's only afterwards.
    const granted = parent.acquire(path, { timeout: Infinity })
    await waiterBlocked(first.lockfile, parent.pid)
    const child = await parent.ask<number>('spawn', command, args, options)
    killAfterTest(child)
    killAfterTest(-parent.pid)
    first.release()
    await granted

    const waiting = acquire(path, { timeout: Infinity })
    await waiterBlocked(first.lockfile, process.pid)
    await parent.kill('SIGKILL')
    const ours = await waiting

    expect(isAlive(child)).toBe(true)
    expect(ours.recoveredFrom?.pid).toBe(parent.pid)
    ours.release()
  },
)

test('a child spawned by a worker thread does not keep the lock that the worker holds', async () => {
  const path = join(scratch(), 'data')
  const thread = await ThreadElsewhere.start()
  const hold = await thread.acquire(path)
  const child = await thread.ask<number>('spawn', process.execPath, ['-e', LASTING], { detached: true })
  killAfterTest(child)

  const waiting = acquire(path, { timeout: Infinity })
  await waiterBlocked(hold.lockfile, process.pid)
  thread.host.kill('SIGKILL')
  const ours = await waiting

  expect(isAlive(child)).toBe(true)
  expect(ours.recoveredFrom?.pid).toBe(thread.host.pid)
  ours.release()
})
