// A wait that nobody wants any more stays in the kernel until the kernel answers. It must not cost the lock, the end of
// the thread or process it belongs to, or the place of whoever asks again.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { acquire } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { missing } from '../helpers/capabilities.js'
import {
  baseline,
  descriptorsOf,
  holdersOf,
  kernelTables,
  locksOf,
  nobodyLeft,
  threadsOf,
  waitersOf,
} from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { until } from '../helpers/until.js'
import { startWatchdog } from '../helpers/watchdog.js'

let keys = 0

/** Makes `agent` ask for a lock that is held elsewhere, and give up. */
async function orphan(agent: Agent, path: string, mode: 'exclusive' | 'shared' = 'exclusive'): Promise<void> {
  const key = `orphan ${++keys}`
  const wait = agent.acquire(path, { mode, timeout: Infinity }, key)
  const lockfile = `${path}.hold`
  await until('the wait is in the kernel', () =>
    locksOf(lockfile).some((lock) => lock.blocked && lock.pid === agent.pid && lock.mode === mode),
  )
  await agent.abort(key)
  await expect(wait).rejects.toThrow('aborted by the test')
}

test.skipIf(missing(kernelTables))(
  'the next request adopts the orphan: no new thread, and its place in the queue of all processes is kept',
  async () => {
    const path = file()
    const [early, late] = await Promise.all([Agent.start(), Agent.start()])
    const hold = await acquire(path)
    const { threads } = await baseline(early.pid)
    await orphan(early, path)
    expect(threadsOf(early.pid)).toBe(threads + 1)

    const order: string[] = []
    const lateHold = late.acquire(path, { timeout: Infinity }).finally(() => order.push('late'))
    await waiterBlocked(hold.lockfile, late.pid)
    const earlyHold = early.acquire(path, { timeout: Infinity }).finally(() => order.push('early'))
    await early.holds() // by now it has asked
    expect(threadsOf(early.pid)).toBe(threads + 1)
    expect(waitersOf(hold.lockfile).sort()).toEqual([early.pid, late.pid].sort())

    hold.release()
    await early.release(await earlyHold)
    await late.release(await lateHold)
    expect(order).toEqual(['early', 'late'])
  },
)

test.skipIf(missing(kernelTables))('a wait that is given up and asked for a hundred times is one thread', async () => {
  const path = file()
  const agent = await Agent.start()
  const hold = await acquire(path)
  const { threads } = await baseline(agent.pid)
  for (let i = 0; i < 100; i++) {
    await orphan(agent, path)
    expect(waitersOf(hold.lockfile)).toEqual([agent.pid])
  }
  expect(threadsOf(agent.pid)).toBe(threads + 1)
  hold.release()
  await nobodyLeft(hold.lockfile)
})

test.skipIf(missing(kernelTables))(
  'an orphan that is granted lets go although the event loop of its process is blocked',
  async () => {
    const path = file()
    const folder = scratch()
    const [mark, go] = [join(folder, 'mark'), join(folder, 'go')]
    const [agent, other] = await Promise.all([Agent.start(), Agent.start()])
    const hold = await acquire(path)
    const before = await baseline(agent.pid)
    await orphan(agent, path)
    const theirs = other.acquire(path, { timeout: Infinity })
    await waiterBlocked(hold.lockfile, other.pid)

    let blocked = true
    const block = agent.ask('blockUntil', mark, go).finally(() => (blocked = false))
    await until('the event loop is blocked', () => existsSync(mark))
    hold.release()
    expect(await other.isHeld(await theirs)).toBe(true)
    expect(holdersOf(hold.lockfile)).toEqual([other.pid])
    expect(waitersOf(hold.lockfile)).toEqual([])
    // The thread and its descriptor are gone too, and the event loop took no part in it.
    await until('the thread is gone', () => threadsOf(agent.pid) === before.threads)
    await until('its descriptor is closed', () => descriptorsOf(agent.pid) === before.descriptors)
    expect(blocked).toBe(true)

    writeFileSync(go, '')
    await block
    expect(await agent.holds()).toEqual([])
  },
)

test.skipIf(missing(kernelTables))('a shared and an exclusive orphan of one file are both adopted', async () => {
  const path = file()
  const agent = await Agent.start()
  const hold = await acquire(path)
  const { threads } = await baseline(agent.pid)
  await orphan(agent, path, 'shared')
  await orphan(agent, path, 'exclusive')
  const modes = () => locksOf(hold.lockfile).flatMap(({ blocked, mode }) => (blocked ? [mode] : []))
  expect(modes().sort()).toEqual(['exclusive', 'shared'])
  expect(threadsOf(agent.pid)).toBe(threads + 2)

  // Each mode again: the orphan of that mode, not a third thread.
  await orphan(agent, path, 'shared')
  await orphan(agent, path, 'exclusive')
  expect(threadsOf(agent.pid)).toBe(threads + 2)
  const shared = agent.acquire(path, { mode: 'shared', timeout: Infinity })
  await agent.holds()
  expect(threadsOf(agent.pid)).toBe(threads + 2)

  hold.release()
  const theirs = await shared
  expect(await agent.isHeld(theirs)).toBe(true)
  await agent.release(theirs)
  await nobodyLeft(hold.lockfile)
  await until('the threads are gone', () => threadsOf(agent.pid) === threads)
})

test.skipIf(missing(kernelTables))(
  'a shared request joins readers although an exclusive orphan waits for them',
  async () => {
    const path = file()
    const agent = await Agent.start()
    const reader = await acquire(path, { mode: 'shared' })
    await orphan(agent, path, 'exclusive')
    const theirs = await agent.acquire(path, { mode: 'shared', timeout: Infinity })
    expect(reader.held).toBe(true)
    expect(await agent.isHeld(theirs)).toBe(true)
  },
)

test.skipIf(missing(kernelTables))(
  'process.exit() with waits and orphans ends while the lock is still held, and leaves nothing of them',
  async () => {
    const [written, read, orphaned] = [file(), file(), file()]
    const agent = await Agent.start()
    const holds = [await acquire(written), await acquire(read), await acquire(orphaned)]
    await agent.ask('startMany', [written, written], false, { timeout: Infinity })
    await agent.ask('startMany', [read], false, { timeout: Infinity, mode: 'shared' })
    await orphan(agent, orphaned)
    await orphan(agent, orphaned, 'shared')
    for (const { lockfile } of holds) await waiterBlocked(lockfile, agent.pid)

    agent.tell('exit', 7)
    expect(await agent.ended).toEqual({ code: 7, signal: null })
    for (const hold of holds) {
      expect(hold.held).toBe(true)
      expect(locksOf(hold.lockfile).map(({ pid }) => pid)).toEqual([process.pid])
      hold.release()
    }
    const other = await Agent.start()
    for (const path of [written, read, orphaned]) expect(await other.tryAcquire(path)).not.toBeNull()
  },
)

test.skipIf(missing(kernelTables))(
  'a process that comes to its natural end does not wait for its orphans, and leaves nothing of them',
  async () => {
    const path = file()
    const agent = await Agent.start()
    const hold = await acquire(path)
    await orphan(agent, path)
    await orphan(agent, path, 'shared')
    await agent.ask('disconnect')
    expect(await agent.ended).toEqual({ code: 0, signal: null })
    expect(locksOf(hold.lockfile).map(({ pid }) => pid)).toEqual([process.pid])
    hold.release()
    const other = await Agent.start()
    expect(await other.tryAcquire(path)).not.toBeNull()
  },
)

test.skipIf(missing(kernelTables))(
  'a worker with waits, orphans and a hold is terminated while the lock is still held, and never granted it later',
  async () => {
    const [waited, orphaned, held] = [file(), file(), file()]
    const [agent, other] = await Promise.all([Agent.start(), Agent.start()])
    await startWatchdog(agent)
    const { threads } = await baseline(agent.pid)
    const holds = [await acquire(waited), await acquire(orphaned)]
    const worker = await agent.ask<number>('startWorker')
    expect(await agent.ask('askWorker', worker, 'hold', held)).toBe('held')
    expect(await agent.ask('askWorker', worker, 'wait', waited, { timeout: Infinity })).toBe('waits')
    expect(await agent.ask('askWorker', worker, 'wait', waited, { timeout: Infinity })).toBe('waits')
    expect(await agent.ask('askWorker', worker, 'orphan', orphaned, {})).toBe('orphaned')
    expect(await agent.ask('askWorker', worker, 'orphan', orphaned, { mode: 'shared' })).toBe('orphaned')
    for (const { lockfile } of holds) await waiterBlocked(lockfile, agent.pid)

    await agent.ask('terminateWorker', worker)
    expect(holds.map((hold) => hold.held)).toEqual([true, true])
    // What it held is free, and its end was a death: nobody released it.
    const next = await other.acquire(held, { timeout: Infinity })
    expect(next.recoveredFrom).toMatchObject({ pid: agent.pid })

    for (const hold of holds) hold.release()
    for (const path of [waited, orphaned]) {
      const theirs = await other.acquire(path, { timeout: Infinity })
      // Our own clean release came last: the worker was not granted the lock in between.
      expect(theirs.recoveredFrom).toBeNull()
      await other.release(theirs)
    }
    for (const { lockfile } of holds) await nobodyLeft(lockfile)
    await until('its threads are gone', () => threadsOf(agent.pid) === threads)
    expect(await agent.holds()).toEqual([])
  },
)

test.skipIf(missing(kernelTables))(
  'the main thread does not lose its wait when a worker with the same wait ends',
  async () => {
    const path = file()
    const agent = await Agent.start()
    const hold = await acquire(path)
    const worker = await agent.ask<number>('startWorker')
    await agent.ask('askWorker', worker, 'wait', path, { timeout: Infinity })
    const theirs = agent.acquire(path, { timeout: Infinity })
    await until('both wait', () => waitersOf(hold.lockfile).length === 2)
    await agent.ask('terminateWorker', worker)
    await mustStayBlocked(theirs)
    hold.release()
    expect(await agent.isHeld(await theirs)).toBe(true)
  },
)
