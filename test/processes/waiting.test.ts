// Who gets the lock next, and what waiting costs: one thread a file, and nothing that others need.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { acquire, tryAcquire, type Hold } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { missing } from '../helpers/capabilities.js'
import { baseline, blockedThreads, holdersOf, kernelTables, threadsOf, waitersOf } from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { until } from '../helpers/until.js'

/** Asks for the lock, notes its name when it has it, and lets go. */
async function passThrough(path: string, name: string, order: string[], mode?: 'exclusive' | 'shared'): Promise<void> {
  const hold = await acquire(path, { mode, timeout: Infinity })
  order.push(name)
  // Others get the chance to be wrong while we hold it.
  await new Promise((resolve) => setImmediate(resolve))
  hold.release()
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l']

test('waiters behind a hold of this process get the lock in the order in which they asked', async () => {
  const path = file()
  const hold = await acquire(path)
  const order: string[] = []
  const waiting = NAMES.map((name) => passThrough(path, name, order))
  expect(order).toEqual([])
  hold.release()
  await Promise.all(waiting)
  expect(order).toEqual(NAMES)
})

test('waiters behind a hold of another process get the lock in the order in which they asked', async () => {
  const path = file()
  const other = await Agent.start()
  const hold = await other.acquire(path)
  const order: string[] = []
  const waiting = NAMES.map((name) => passThrough(path, name, order))
  await mustStayBlocked(Promise.race(waiting))
  expect(order).toEqual([])
  await other.release(hold)
  await Promise.all(waiting)
  expect(order).toEqual(NAMES)
})

test('a shared request does not overtake a queued exclusive one', async () => {
  const path = file()
  const first = await acquire(path, { mode: 'shared' })
  const exclusive = acquire(path)
  const shared = acquire(path, { mode: 'shared' })
  await mustStayBlocked(Promise.race([exclusive, shared]))
  expect(tryAcquire(path, { mode: 'shared' })).toBeNull()

  first.release()
  const writer = await exclusive
  await mustStayBlocked(shared)
  writer.release()
  expect((await shared).held).toBe(true)
})

test('shared requests that wait side by side are granted together, in front of the exclusive one behind them', async () => {
  const path = file()
  const first = await acquire(path)
  const readers = [acquire(path, { mode: 'shared' }), acquire(path, { mode: 'shared' })]
  const writer = acquire(path)
  first.release()
  const held = await Promise.all(readers)
  expect(held.map((hold) => hold.held)).toEqual([true, true])
  await mustStayBlocked(writer)
  for (const hold of held) hold.release()
  expect((await writer).held).toBe(true)
})

test('readers of two processes share although each process has waiters of its own, and all waiters are served', async () => {
  const path = file()
  const agents = await Promise.all([Agent.start(), Agent.start()])
  const queued = (agent: Agent, mode: 'exclusive' | 'shared') =>
    agent.acquire(path, { mode, timeout: Infinity }).then((hold) => agent.release(hold))
  const sides = []
  for (const agent of agents) {
    const reader = await agent.acquire(path, { mode: 'shared' })
    // In this process's own queue: an exclusive waiter, and a shared one that must not pass it.
    sides.push({ agent, reader, later: [queued(agent, 'exclusive'), queued(agent, 'shared')] })
    await agent.holds()
  }
  const later = sides.flatMap((side) => side.later)
  expect(await Promise.all(sides.map(({ agent, reader }) => agent.isHeld(reader)))).toEqual([true, true])

  // Neither process's writer comes before the last reader has gone, whichever process it is in.
  for (const { agent, reader } of sides) {
    await mustStayBlocked(Promise.race(later))
    await agent.release(reader)
  }
  await Promise.all(later)
})

test.skipIf(missing(kernelTables))('a thousand waiters on one file are one thread', async () => {
  const path = file()
  const [holder, agent] = await Promise.all([Agent.start(), Agent.start()])
  const hold = await holder.acquire(path)
  const { threads } = await baseline(agent.pid)

  await agent.ask('startMany', Array<string>(1000).fill(path), true, { timeout: Infinity })
  await waiterBlocked(hold.lockfile, agent.pid)
  expect(threadsOf(agent.pid)).toBe(threads + 1)
  expect(waitersOf(hold.lockfile)).toEqual([agent.pid])

  await holder.release(hold)
  await until('all are served', async () => (await agent.ask('manyGranted')) === 1000)
  await until('the thread is gone', () => threadsOf(agent.pid) === threads)
})

test.skipIf(missing(kernelTables))(
  '64 blocked waits leave a thread pool of one thread to files, names and keys',
  async () => {
    const folder = scratch()
    const paths = Array.from({ length: 64 }, (_, i) => join(folder, `file${i}`))
    const holder = await Agent.start()
    const agent = await Agent.start({ env: { ...process.env, UV_THREADPOOL_SIZE: '1' } })
    await holder.ask('startMany', paths, false)
    await until('the holder holds them all', async () => (await holder.ask('manyGranted')) === 64)

    await agent.ask('startMany', paths, false, { timeout: Infinity })
    await until('64 threads wait in the kernel', () => blockedThreads(agent.pid) === 64)
    expect(await agent.ask('poolWork', 100)).toBe(300)
    // Only now are they let go: nothing of that work waited for a lock.
    expect(blockedThreads(agent.pid)).toBe(64)
    expect(await agent.ask('manyGranted')).toBe(0)

    await holder.ask('releaseMany')
    await until('all are granted', async () => (await agent.ask('manyGranted')) === 64)
  },
)

test('a pending wait keeps the process alive until it is granted', async () => {
  const path = file()
  const mark = join(scratch(), 'mark')
  const [holder, agent] = await Promise.all([Agent.start(), Agent.start()])
  const hold = await holder.acquire(path)
  // Without a deadline, so that no timer keeps it alive instead.
  await agent.ask('markWhenGranted', path, { timeout: Infinity }, mark)
  await agent.ask('disconnect')
  await mustStayBlocked(agent.ended)
  expect(existsSync(mark)).toBe(false)

  await holder.release(hold)
  expect(await agent.ended).toEqual({ code: 0, signal: null })
  expect(existsSync(mark)).toBe(true)
})

test('a hold does not keep the process alive', async () => {
  const path = file()
  const agent = await Agent.start()
  await agent.acquire(path)
  await agent.ask('disconnect')
  expect(await agent.ended).toEqual({ code: 0, signal: null })
  expect(tryAcquire(path)).not.toBeNull()
})

test('a wait that was given up does not keep the process alive', async () => {
  const path = file()
  const [holder, agent] = await Promise.all([Agent.start(), Agent.start()])
  const hold = await holder.acquire(path)
  const given = agent.acquire(path, { timeout: Infinity }, 'up')
  await agent.abort('up')
  await expect(given).rejects.toThrow('aborted by the test')
  await agent.ask('disconnect')
  expect(await agent.ended).toEqual({ code: 0, signal: null })
  expect(await holder.isHeld(hold)).toBe(true)
})

test.for([1, 2, 8])('%d lanes that acquire and release without a pause let timers fire', async (lanes) => {
  const path = file()
  const agent = await Agent.start()
  // A starved agent never answers.
  const grants = await agent.ask<number>('timerAmidLanes', path, lanes)
  expect(grants).toBeGreaterThan(lanes)
})

test('lanes that hand the lock to each other without a pause let another process have it, again and again', async () => {
  const path = file()
  const [busy, other] = await Promise.all([Agent.start(), Agent.start()])
  await busy.ask('startLanes', path, 8)
  for (let round = 0; round < 20; round++) {
    const hold = await other.acquire(path, { timeout: Infinity })
    await other.release(hold)
    const before = await busy.ask<number>('laneGrants')
    await until('the lanes go on', async () => (await busy.ask<number>('laneGrants')) > before)
  }
  await busy.ask('stopLanes')
})

test.skipIf(missing(kernelTables))(
  'exclusive waiters of several processes are served in order of arrival',
  async () => {
    const path = file()
    const agents = await Promise.all(NAMES.slice(0, 4).map(() => Agent.start()))
    const first: Hold = await acquire(path)
    const order: number[] = []
    const waiting = []
    for (const agent of agents) {
      waiting.push(
        agent.acquire(path, { timeout: Infinity }).then(async (hold) => {
          order.push(agent.pid)
          expect(holdersOf(hold.lockfile)).toEqual([agent.pid])
          await agent.release(hold)
        }),
      )
      await waiterBlocked(first.lockfile, agent.pid)
    }
    first.release()
    await Promise.all(waiting)
    expect(order).toEqual(agents.map(({ pid }) => pid))
  },
)
