// No thread to be had: the wait goes on by other means, says so once, and keeps its promises.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { acquire, type FallbackEvent } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { anotherUser, missing, program } from '../helpers/capabilities.js'
import { baseline, blockedThreads, kernelTables, locksOf, threadsOf, waitersOf } from '../helpers/kernel-tables.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'

/** nobody. The limit does not bind root. */
const UNPRIVILEGED = 65_534

const MOST_THREADS = 512

/** A file that everybody may lock. */
function sharedFile(): string {
  const folder = scratch()
  chmodSync(folder, 0o777)
  const path = join(folder, 'file')
  writeFileSync(path, '')
  chmodSync(path, 0o666)
  return path
}

/** The soft limit, set by the user it binds: lowering it needs no privilege, and nor does raising it again. */
function limitThreads(agent: Agent, most: string): void {
  const user = { uid: UNPRIVILEGED, gid: UNPRIVILEGED }
  const limited = spawnSync('prlimit', ['--pid', `${agent.pid}`, `--nproc=${most}:`], user)
  expect(limited.status, String(limited.stderr)).toBe(0)
}

/** An agent that cannot start one more thread: pthread_create fails with EAGAIN. */
async function agentWithoutThreads(): Promise<Agent> {
  const agent = await Agent.start({ uid: UNPRIVILEGED, gid: UNPRIVILEGED })
  // libuv starts its own pool at the first use, and ends the process if it cannot.
  await agent.ask('poolWork', 10)
  await agent.ask('watchFallbacks')
  const { threads } = await baseline(agent.pid)
  limitThreads(agent, `${threads}`)
  return agent
}

const unable = missing(anotherUser, program('prlimit'), kernelTables)

test.skipIf(unable)(
  'without a thread, a wait is granted after the release all the same, and says so once',
  async () => {
    const path = sharedFile()
    const hold = await acquire(path)
    const agent = await agentWithoutThreads()
    const before = threadsOf(agent.pid)
    const waiting = agent.acquire(path, { timeout: Infinity })
    // Several tries are made meanwhile; they are one wait, and one event.
    await mustStayBlocked(waiting)
    expect(waitersOf(hold.lockfile)).toEqual([])
    expect(threadsOf(agent.pid)).toBe(before)
    const events = await agent.ask<FallbackEvent[]>('fallbacks')
    expect(events).toMatchObject([{ kind: 'thread', lockfile: hold.lockfile }])
    expect(events[0]?.reason).toContain('no thread')

    hold.release()
    expect(await agent.isHeld(await waiting)).toBe(true)
    expect(await agent.ask<FallbackEvent[]>('fallbacks')).toHaveLength(1)
  },
)

test.skipIf(unable)(
  'without a thread, maxHold ends the hold while the event loop turns, and says so once',
  async () => {
    const path = sharedFile()
    const agent = await agentWithoutThreads()
    const hold = await agent.acquire(path, { maxHold: 50 })
    const next = await acquire(path, { timeout: Infinity })
    expect(next.recoveredFrom).toMatchObject({ pid: agent.pid, reason: 'max-hold' })
    expect(await agent.isHeld(hold)).toBe(false)
    const events = await agent.ask<FallbackEvent[]>('fallbacks')
    expect(events).toMatchObject([{ kind: 'watchdog', lockfile: hold.lockfile }])
    expect(events[0]?.reason).toContain('no thread')
    next.release()
  },
)

test.skipIf(unable)('without a thread, waiters are served in the order in which they asked', async () => {
  const path = sharedFile()
  const hold = await acquire(path)
  const agent = await agentWithoutThreads()
  const order: number[] = []
  const waiting = [1, 2, 3, 4, 5].map(async (number) => {
    const theirs = await agent.acquire(path, { timeout: Infinity })
    order.push(number)
    await agent.release(theirs)
  })
  await agent.holds()
  hold.release()
  await Promise.all(waiting)
  expect(order).toEqual([1, 2, 3, 4, 5])
})

test.skipIf(unable)(
  'without a thread, a deadline and an abort end the wait, and it is never granted later',
  async () => {
    const path = sharedFile()
    const hold = await acquire(path)
    const agent = await agentWithoutThreads()
    await expect(agent.acquire(path, { timeout: 30 })).rejects.toMatchObject({
      code: 'ERR_LOCK_TIMEOUT',
      position: 1,
      holder: { pid: process.pid },
    })
    const aborted = agent.acquire(path, { timeout: Infinity }, 'key')
    await agent.abort('key')
    await expect(aborted).rejects.toThrow('aborted by the test')
    // Two waits, two events.
    expect(await agent.ask<FallbackEvent[]>('fallbacks')).toHaveLength(2)

    hold.release()
    const again = await acquire(path, { timeout: Infinity })
    expect(await agent.holds()).toEqual([])
    expect(locksOf(hold.lockfile).map(({ pid }) => pid)).toEqual([process.pid])
    again.release()
  },
)

// Whether the deadline or the next of the tries comes first is chance, so there are several rounds; the lock is free in
// either case, and the request must get it.
test.skipIf(unable)(
  'without a thread, a lock that became free while the event loop was blocked past the deadline is taken',
  async () => {
    const agent = await agentWithoutThreads()
    for (let round = 0; round < 6; round++) {
      const path = sharedFile()
      const folder = scratch()
      chmodSync(folder, 0o777)
      const [mark, go] = [join(folder, 'mark'), join(folder, 'go')]
      const hold = await acquire(path)
      const timeout = 250
      const outcome = agent.ask('acquireAndBlockLater', path, { timeout }, timeout - 10, mark, go)
      outcome.catch(() => {})
      await until('the event loop is blocked', () => existsSync(mark))
      const blocked = performance.now()
      hold.release()
      await until('the deadline has passed', () => performance.now() - blocked > 50)
      writeFileSync(go, '')
      expect(await outcome, `round ${round}`).toBe(true)
    }
  },
)

test.skipIf(unable)('without a thread, an aborted wait does not keep the process alive', async () => {
  const path = sharedFile()
  const hold = await acquire(path)
  const agent = await agentWithoutThreads()
  const aborted = agent.acquire(path, { timeout: Infinity }, 'key')
  await agent.abort('key')
  await expect(aborted).rejects.toThrow('aborted by the test')
  await agent.ask('disconnect')
  expect(await agent.ended).toEqual({ code: 0, signal: null })
  expect(hold.held).toBe(true)
})

test.skipIf(unable)('without a thread, a wait goes on in the kernel once there are threads again', async () => {
  const path = sharedFile()
  const hold = await acquire(path)
  const agent = await agentWithoutThreads()
  const waiting = agent.acquire(path, { timeout: Infinity })
  await mustStayBlocked(waiting)
  limitThreads(agent, '1000')
  await until('it waits in the kernel', () => waitersOf(hold.lockfile).includes(agent.pid))
  hold.release()
  expect(await agent.isHeld(await waiting)).toBe(true)
  expect(await agent.ask<FallbackEvent[]>('fallbacks')).toHaveLength(1)
})

test.skipIf(missing(kernelTables))(
  '520 waits on 520 files start 512 threads at most, and the others are granted all the same',
  async () => {
    const folder = scratch()
    const paths = Array.from({ length: MOST_THREADS + 8 }, (_, i) => join(folder, `file${i}`))
    const [holder, agent] = await Promise.all([Agent.start(), Agent.start()])
    await holder.ask('startMany', paths, false)
    await until('the holder holds them all', async () => (await holder.ask('manyGranted')) === paths.length)
    const { threads } = await baseline(agent.pid)

    await agent.ask('watchFallbacks')
    await agent.ask('startMany', paths, false, { timeout: Infinity })
    await until('512 threads wait in the kernel', () => blockedThreads(agent.pid) === MOST_THREADS)
    expect(threadsOf(agent.pid)).toBe(threads + MOST_THREADS)
    const events = await agent.ask<FallbackEvent[]>('fallbacks')
    expect(new Set(events.map(({ lockfile }) => lockfile)).size).toBe(8)
    expect(events.map(({ kind }) => kind)).toEqual(Array(8).fill('thread'))
    expect(await agent.ask('manyGranted')).toBe(0)

    await holder.ask('releaseMany')
    await until('all are granted', async () => (await agent.ask('manyGranted')) === paths.length)
    expect(await agent.holds()).toHaveLength(paths.length)
    await until('the threads are gone', () => threadsOf(agent.pid) === threads)
  },
)
