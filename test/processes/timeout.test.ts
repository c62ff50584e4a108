// A deadline covers the whole wait, is final, and its error says who holds the lock.
import { hostname } from 'node:os'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { acquire, holds, isLockError, LockTimeoutError, releaseAll, tryAcquire } from '../../src/index.js'
import { Agent, RemoteError } from '../helpers/agent.js'
import { missing, posix } from '../helpers/capabilities.js'
import { baseline, holdersOf, kernelTables, locksOf, nobodyLeft, threadsOf } from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { until } from '../helpers/until.js'
import { startWatchdog } from '../helpers/watchdog.js'

/** Long enough to be distinguishable from at once. */
const SHORT = 30

async function refusal(wait: Promise<unknown>): Promise<LockTimeoutError> {
  const error: unknown = await wait.then(
    () => 'it was granted',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(LockTimeoutError)
  return error as LockTimeoutError
}

async function remoteRefusal(wait: Promise<unknown>): Promise<RemoteError> {
  const error: unknown = await wait.then(
    () => 'it was granted',
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(RemoteError)
  expect((error as RemoteError).code).toBe('ERR_LOCK_TIMEOUT')
  return error as RemoteError
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

const AGE = '\\d+ (ms|s|min)'

test('timeout 0 takes a free lock', async () => {
  const hold = await acquire(file(), { timeout: 0 })
  expect(hold.held).toBe(true)
})

test('timeout 0 is refused by another process that holds the lock, and never queued', async () => {
  const path = file()
  const holder = await Agent.start()
  const hold = await holder.acquire(path, { label: 'lane:main' })
  const error = await refusal(acquire(path, { timeout: 0 }))
  expect(error.code).toBe('ERR_LOCK_TIMEOUT')
  expect(isLockError(error, 'ERR_LOCK_TIMEOUT')).toBe(true)
  expect(error.position).toBe(0)
  expect(error.waited).toBe(0)
  expect(error.path).toBe(path)
  expect(error.lockfile).toBe(hold.lockfile)
  expect(error.holder).toMatchObject({ pid: holder.pid, label: 'lane:main', here: false })
  expect(error.message).not.toContain('in queue')
  if (kernelTables.there) expect(locksOf(hold.lockfile).map(({ pid }) => pid)).toEqual([holder.pid])
})

test('timeout 0 is refused behind a hold and behind a waiter of this process, and the waiter keeps its place', async () => {
  const path = file()
  const hold = await acquire(path)
  const waiting = acquire(path)
  await refusal(acquire(path, { timeout: 0 }))
  hold.release()
  const next = await waiting
  expect(next.held).toBe(true)
  next.release()
  expect((await acquire(path, { timeout: 0 })).held).toBe(true)
})

test('a deadline passes in the local queue: the error says this process, its label and the place', async () => {
  const path = file()
  await acquire(path, { label: 'lane:main' })
  const ahead = [acquire(path), acquire(path)]
  const error = await refusal(acquire(path, { timeout: SHORT }))
  expect(error.position).toBe(3)
  expect(error.waited).toBeGreaterThanOrEqual(SHORT)
  expect(error.holder).toMatchObject({ pid: process.pid, tid: 0, label: 'lane:main', here: true })
  expect(error.message).toMatch(
    new RegExp(
      `^Timed out after \\d+ ms waiting for ${escaped(path)}\\. Held ${AGE} by this process "lane:main"; 3rd in queue; pass \`owner\` to enter what the same owner holds\\.$`,
    ),
  )
  await mustStayBlocked(Promise.race(ahead))
  releaseAll()
  ;(await ahead[0])?.release()
  expect((await ahead[1])?.held).toBe(true)
})

test('a deadline passes behind another process: the error says its pid, host, label and the place', async () => {
  const path = file()
  const holder = await Agent.start()
  const hold = await holder.acquire(path, { label: 'lane:main' })
  const ahead = [acquire(path), acquire(path)]
  const error = await refusal(acquire(path, { timeout: SHORT }))
  expect(error.position).toBe(3)
  expect(error.waited).toBeGreaterThanOrEqual(SHORT)
  expect(error.holder).toMatchObject({ pid: holder.pid, tid: 0, host: hostname(), label: 'lane:main', here: false })
  expect(error.holder?.since?.getTime()).toBeLessThanOrEqual(Date.now())
  expect(error.message).toMatch(
    new RegExp(
      `^Timed out after \\d+ ms waiting for ${escaped(path)}\\. ` +
        `Held ${AGE} by pid ${holder.pid} "lane:main" \\(host ${escaped(hostname())}\\); 3rd in queue\\.$`,
    ),
  )
  await holder.release(hold)
  ;(await ahead[0])?.release()
  expect((await ahead[1])?.held).toBe(true)
})

test('a holder that left no record is called unknown, not invented', async () => {
  const path = file()
  const holder = await Agent.start()
  await holder.acquire(path, { record: false })
  const error = await refusal(acquire(path, { timeout: SHORT }))
  expect(error.holder).toBeNull()
  const told = kernelTables.there
  expect(error.processes).toEqual(told ? [{ pid: holder.pid, mode: 'exclusive' }] : [])
  const who = told ? `pid ${holder.pid}, which` : 'somebody who'
  expect(error.message).toMatch(new RegExp(`Held by ${who} left no record; 1st in queue\\.$`))
})

test('the waiter that times out is the one whose deadline passed, not the one in front', async () => {
  const path = file()
  const holder = await Agent.start()
  const hold = await holder.acquire(path)
  const patient = acquire(path, { timeout: Infinity })
  await refusal(acquire(path, { timeout: SHORT }))
  await mustStayBlocked(patient)
  await holder.release(hold)
  expect((await patient).held).toBe(true)
})

test.for([2 ** 31, 2 ** 40, Infinity])(
  'a timeout of %d ms does not fire at once, and prints no warning',
  async (timeout) => {
    const path = file()
    const warnings: Error[] = []
    const note = (warning: Error) => void warnings.push(warning)
    process.on('warning', note)
    onTestFinished(() => void process.off('warning', note))

    const hold = await acquire(path)
    const waiting = acquire(path, { timeout })
    await mustStayBlocked(waiting)
    hold.release()
    expect((await waiting).held).toBe(true)
    expect(warnings).toEqual([])
  },
)

test('after its time-out a request never holds the lock: others get it, and this process lists no hold', async () => {
  const path = file()
  const holder = await Agent.start()
  const hold = await holder.acquire(path)
  await Promise.all([
    refusal(acquire(path, { timeout: SHORT })),
    refusal(acquire(path, { timeout: SHORT, mode: 'shared' })),
    refusal(acquire(path, { timeout: SHORT * 2 })),
  ])
  await holder.release(hold)
  const other = await Agent.start()
  const theirs = await other.acquire(path, { timeout: Infinity })
  expect(holds()).toEqual([])
  expect(await other.isHeld(theirs)).toBe(true)
  await other.release(theirs)
  if (kernelTables.there) await nobodyLeft(hold.lockfile)
  await until('a try by another process succeeds', async () => (await other.tryAcquire(path)) !== null)
  expect(holds()).toEqual([])
})

/** An agent that asks for the lock and is blocked, from the same moment on, until it is told to go on. */
async function blockedWaiter(path: string, lockfile: string, timeout: number) {
  const folder = scratch()
  const mark = join(folder, 'mark')
  const go = join(folder, 'go')
  const agent = await Agent.start()
  const outcome = agent.ask<boolean>('acquireAndBlock', path, { timeout }, mark, go)
  outcome.catch(() => {})
  await waiterBlocked(lockfile, agent.pid)
  const asked = performance.now()
  return {
    agent,
    outcome,
    deadlineHasPassed: () => until('the deadline has passed', () => performance.now() - asked > timeout),
    goOn: () => writeFileSync(go, ''),
  }
}

test.skipIf(missing(kernelTables))(
  'a lock that was granted while the event loop was blocked past the deadline is taken, not refused',
  async () => {
    const path = file()
    const holder = await Agent.start()
    const hold = await holder.acquire(path)
    const waiter = await blockedWaiter(path, hold.lockfile, SHORT)
    await holder.release(hold)
    await until('the kernel granted it', () => holdersOf(hold.lockfile)[0] === waiter.agent.pid)
    await waiter.deadlineHasPassed()
    waiter.goOn()
    expect(await waiter.outcome).toBe(true)
    expect(await holder.tryAcquire(path)).toBeNull()
  },
)

test.skipIf(missing(kernelTables))(
  'a lock that is still held when an event loop wakes up after the deadline is refused, and never taken later',
  async () => {
    const path = file()
    const holder = await Agent.start()
    const hold = await holder.acquire(path)
    const waiter = await blockedWaiter(path, hold.lockfile, SHORT)
    await waiter.deadlineHasPassed()
    waiter.goOn()
    await remoteRefusal(waiter.outcome)
    await holder.release(hold)
    const again = await holder.acquire(path, { timeout: Infinity })
    expect(await waiter.agent.holds()).toEqual([])
    expect(await holder.isHeld(again)).toBe(true)
  },
)

// A stopped process leaves the kernel's queue. When it goes on, its wait thread and its deadline are in a race for a
// lock that is free: whoever wins, the request must get it. So often, because each race goes its own way.
test.skipIf(missing(kernelTables, posix))(
  'a lock that became free while the process was stopped past the deadline is taken by one last try',
  async () => {
    const holder = await Agent.start()
    for (let round = 0; round < 12; round++) {
      const path = file()
      const hold = await holder.acquire(path)
      const waiter = await blockedWaiter(path, hold.lockfile, SHORT)
      waiter.agent.process.kill('SIGSTOP')
      await until('the stopped wait has left the queue', () => locksOf(hold.lockfile).length === 1)
      await holder.release(hold)
      await waiter.deadlineHasPassed()
      waiter.goOn()
      waiter.agent.process.kill('SIGCONT')
      expect(await waiter.outcome, `round ${round}`).toBe(true)
      await waiter.agent.kill()
    }
  },
)

test.skipIf(missing(kernelTables))(
  'a request that was refused leaves one thread at most, however many there were',
  async () => {
    const path = file()
    const [holder, agent] = await Promise.all([Agent.start(), Agent.start()])
    const hold = await holder.acquire(path)
    await startWatchdog(agent)
    const before = await baseline(agent.pid)
    await agent.ask('startMany', Array<string>(50).fill(path), true, { timeout: SHORT })
    await until('all are refused', async () => (await agent.ask('manyRefused')) === 50)
    expect(threadsOf(agent.pid)).toBe(before.threads + 1)
    await holder.release(hold)
    await nobodyLeft(hold.lockfile)
    await until('the thread is gone', () => threadsOf(agent.pid) === before.threads)
    expect(await agent.ask('manyGranted')).toBe(0)
    expect(tryAcquire(path)).not.toBeNull()
  },
)
