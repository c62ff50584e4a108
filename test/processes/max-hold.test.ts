// A hold ends at its maxHold, even while the event loop of its process is blocked, and a grant that a blocked event loop
// cannot take does not keep the lock from others.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { inspect, tryAcquire } from '../../src/index.js'
import { Agent, type RemoteHold, type RemoteOptions } from '../helpers/agent.js'
import { missing } from '../helpers/capabilities.js'
import { kernelTables, nobodyLeft } from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { acquireAndLook, Marks, milliseconds, past, type Outcome, type Told } from '../helpers/lifetimes.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { Thread } from '../helpers/thread.js'
import { until } from '../helpers/until.js'

const BLOCKED = 5000
const MAX_HOLD = 1000
const SHORT = 100

interface Awake {
  readonly held: boolean
  readonly later: boolean
  readonly signal: Told
  readonly guarded: Outcome
  readonly called: boolean
  readonly extended: Outcome
  readonly asserted: Outcome
}

/** Two processes, started before anything is measured. */
function two(): Promise<[Agent, Agent]> {
  return Promise.all([Agent.start(), Agent.start()])
}

test(
  'an event loop blocked for 5 s with a maxHold of 1 s: another process is granted while it is still blocked',
  { timeout: 60_000 },
  async () => {
    const path = file()
    const mark = join(scratch(), 'awake')
    const [holder, other] = await two()
    const hold = await holder.acquire(path, { maxHold: MAX_HOLD, label: 'stuck' })
    const waiting = acquireAndLook(other, path, mark)
    await waiterBlocked(hold.lockfile, other.pid)
    const awake = holder.ask<Awake>('blockAndTell', hold.key, BLOCKED, mark)

    const next = await waiting
    expect(next.marked).toBe(false)
    expect(next.recoveredFrom).toMatchObject({
      state: 'revoked',
      reason: 'max-hold',
      pid: holder.pid,
      label: 'stuck',
      maxHold: MAX_HOLD,
    })

    const told = await awake
    expect(existsSync(mark)).toBe(true)
    expect(told.held).toBe(false)
    expect(told.signal).toMatchObject({ name: 'LockLostError', code: 'ERR_LOCK_LOST', reason: 'max-hold' })
    expect(told.guarded.error).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
    expect(told.called).toBe(false)
    expect(told.extended.error).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
    expect(told.asserted.error).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
    expect(told.later).toBe(false)
    expect(await holder.holds()).toEqual([])
    // Its release() came last, and did nothing to the hold of the other.
    expect(await other.isHeld(next)).toBe(true)
    expect(tryAcquire(path)).toBeNull()
  },
)

test('the record of a hold that ended while its event loop was blocked says so before anybody else comes', async () => {
  const path = file()
  const marks = new Marks()
  const holder = await Agent.start()
  const hold = await holder.acquire(path, { maxHold: SHORT, label: 'stuck' })
  const blocked = holder.ask('blockAndMark', marks.go, marks.out)
  const record = { state: 'revoked', reason: 'max-hold', pid: holder.pid, label: 'stuck' }
  await until('it is free', () => inspect(path).state !== 'held')
  expect(inspect(path)).toMatchObject({ state: 'abandoned', record, holders: [] })
  expect(existsSync(marks.out)).toBe(false)
  const next = tryAcquire(path)
  expect(next?.recoveredFrom).toMatchObject(record)
  expect(next?.fence).toBeGreaterThan(hold.fence ?? Infinity)
  marks.goOn()
  await blocked
  next?.release()
  expect(inspect(path)).toMatchObject({ state: 'free', record: { state: 'free' } })
})

test('a worker thread that is blocked loses its lock at its maxHold as well', async () => {
  const path = file()
  const marks = new Marks()
  const thread = await Thread.start()
  await thread.acquire(path, { maxHold: SHORT })
  const blocked = thread.ask('blockAndMark', marks.go, marks.out)
  const next = await acquireAndLook(await Agent.start(), path, marks.out)
  expect(next.marked).toBe(false)
  expect(next.recoveredFrom).toMatchObject({ reason: 'max-hold', pid: process.pid })
  marks.goOn()
  await blocked
})

test('many holds of a blocked process, each with a maxHold of its own, all go free', async () => {
  const folder = scratch()
  const marks = new Marks()
  const [holder, other] = await two()
  const limits = [400, 20, 150, 80, 300, 20, 250]
  const begun = process.hrtime.bigint()
  const paths = limits.map((_, index) => join(folder, String(index)))
  for (const [index, path] of paths.entries()) await holder.acquire(path, { maxHold: limits[index] })
  const blocked = holder.ask('blockAndMark', marks.go, marks.out)
  const granted = await Promise.all(paths.map((path) => acquireAndLook(other, path, marks.out)))
  expect(granted.map(({ marked }) => marked)).toEqual(limits.map(() => false))
  for (const [index, { at }] of granted.entries()) {
    expect(at - begun).toBeGreaterThanOrEqual(milliseconds(limits[index] ?? 0))
  }
  marks.goOn()
  await blocked
})

test('extend() lets a hold last longer than its maxHold while the event loop is blocked', async () => {
  const path = file()
  const marks = new Marks()
  const [holder, other] = await two()
  const hold = await holder.acquire(path, { maxHold: 300 })
  const extended = await holder.ask<bigint>('extend', hold.key, 900)
  const waiting = acquireAndLook(other, path, marks.out)
  await waiterBlocked(hold.lockfile, other.pid)
  const blocked = holder.ask('blockAndMark', marks.go, marks.out)
  const next = await waiting
  expect(next.marked).toBe(false)
  expect(next.at - extended).toBeGreaterThanOrEqual(milliseconds(900))
  marks.goOn()
  await blocked
})

test('extend() shortens a hold, one without a maxHold as well, while the event loop is blocked', async () => {
  const folder = scratch()
  const marks = new Marks()
  const [holder, other] = await two()
  const paths = ['limited', 'unlimited'].map((name) => join(folder, name))
  const limited = await holder.acquire(join(folder, 'limited'), { maxHold: 3_600_000 })
  const unlimited = await holder.acquire(join(folder, 'unlimited'))
  for (const { key } of [limited, unlimited]) await holder.ask('extend', key, SHORT)
  const blocked = holder.ask('blockAndMark', marks.go, marks.out)
  const granted = await Promise.all(paths.map((path) => acquireAndLook(other, path, marks.out)))
  expect(granted.map(({ marked, recoveredFrom }) => [marked, recoveredFrom?.reason])).toEqual([
    [false, 'max-hold'],
    [false, 'max-hold'],
  ])
  marks.goOn()
  await blocked
})

test('extend(Infinity) takes the limit away, from a blocked event loop as well', async () => {
  const path = file()
  const marks = new Marks()
  const [holder, other] = await two()
  const hold = await holder.acquire(path, { maxHold: 400 })
  const extended = await holder.ask<bigint>('extend', hold.key, Infinity)
  const blocked = holder.ask('blockAndMark', marks.go, marks.out)
  const waiting = acquireAndLook(other, path, marks.out)
  await past(extended + milliseconds(400))
  await mustStayBlocked(waiting)
  marks.goOn()
  await blocked
  expect(await holder.isHeld(hold)).toBe(true)
  await holder.release(hold)
  expect((await waiting).recoveredFrom).toBeNull()
})

const ORDERS: [order: string, first: number, second: number][] = [
  ['the short one first', 150, 700],
  ['the long one first', 700, 150],
]

const TOGETHER: [who: string, enter: (agent: Agent, path: string, options: RemoteOptions) => Promise<RemoteHold>][] = [
  [
    're-entrant handles of an owner',
    (agent, path, options) => agent.ask<RemoteHold>('acquireAs', 'lane', path, { ...options }),
  ],
  ['shared holds of one thread', (agent, path, options) => agent.acquire(path, { ...options, mode: 'shared' })],
]

const CASES = TOGETHER.flatMap(([who, enter]) =>
  ORDERS.map(([order, ...limits]) => [who, order, enter, limits] as const),
)

test.for(CASES)(
  '%s have deadlines of their own, and a blocked process keeps the lock until the last of them: %s',
  async ([, , enter, [first, second]]) => {
    const path = file()
    const marks = new Marks()
    const [holder, other] = await two()
    await holder.ask('owner', 'lane', 'lane')
    const begun = process.hrtime.bigint()
    await enter(holder, path, { maxHold: first })
    await enter(holder, path, { maxHold: second })
    const blocked = holder.ask('blockAndMark', marks.go, marks.out)
    const next = await acquireAndLook(other, path, marks.out)
    expect(next.marked).toBe(false)
    expect(next.at - begun).toBeGreaterThanOrEqual(milliseconds(700))
    marks.goOn()
    await blocked
    expect(await holder.holds()).toEqual([])
  },
)

test.for(TOGETHER)('one of the %s ends at its deadline, the others go on', async ([, enter]) => {
  const path = file()
  const [holder, other] = await two()
  await holder.ask('owner', 'lane', 'lane')
  const short = await enter(holder, path, { maxHold: SHORT })
  const long = await enter(holder, path, {})
  await holder.ask('watch', 'holdfast:revoke')
  await until('the short one ends', async () => !(await holder.isHeld(short)))
  expect(await holder.isHeld(long)).toBe(true)
  expect(await other.tryAcquire(path)).toBeNull()
  await until('it is told', async () => (await holder.ask<unknown[]>('events', 'holdfast:revoke')).length > 0)
  await holder.release(long)
  expect(await other.tryAcquire(path)).not.toBeNull()
})

test('a hold without a limit among limited ones keeps the lock of a blocked process', async () => {
  const path = file()
  const marks = new Marks()
  const [holder, other] = await two()
  await holder.ask('owner', 'lane', 'lane')
  await holder.ask('acquireAs', 'lane', path, { maxHold: 200 })
  const unlimited = await holder.ask<RemoteHold>('acquireAs', 'lane', path, {})
  const both = process.hrtime.bigint()
  const blocked = holder.ask('blockAndMark', marks.go, marks.out)
  const waiting = acquireAndLook(other, path, marks.out)
  await past(both + milliseconds(200))
  await mustStayBlocked(waiting)
  marks.goOn()
  await blocked
  await holder.release(unlimited)
  await waiting
})

/** A process that was granted a lock while it was blocked, and is blocked until it is told to go on. */
async function granted(holder: Agent, path: string, options: RemoteOptions) {
  const marks = new Marks()
  const waiter = await Agent.start()
  const hold = await holder.acquire(path)
  const outcome = waiter.ask<boolean>('acquireAndBlock', path, options, join(marks.folder, 'in'), marks.go)
  outcome.catch(() => {})
  await waiterBlocked(hold.lockfile, waiter.pid)
  return { waiter, marks, outcome, release: () => holder.release(hold) }
}

const PATIENCE = 600

test.skipIf(missing(kernelTables))(
  'a grant that a blocked event loop does not take until its time-out goes to another process, and is refused then',
  async () => {
    const path = file()
    const [holder, other] = await two()
    const { waiter, marks, outcome, release } = await granted(holder, path, { timeout: PATIENCE })
    await release()
    const next = await other.acquire(path, { timeout: Infinity })
    marks.goOn()
    await expect(outcome).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT', holder: { pid: other.pid } })
    expect(await waiter.holds()).toEqual([])
    expect(await other.isHeld(next)).toBe(true)
    await other.release(next)
    await nobodyLeft(next.lockfile)
  },
)

test.skipIf(missing(kernelTables))(
  'a waiter that was blocked past its time-out takes a lock that another process had meanwhile, once it is free',
  async () => {
    const path = file()
    const [holder, other] = await two()
    const { waiter, marks, outcome, release } = await granted(holder, path, { timeout: PATIENCE })
    await release()
    const next = await other.acquire(path, { timeout: Infinity })
    await other.release(next)
    marks.goOn()
    expect(await outcome).toBe(true)
    expect(await other.tryAcquire(path)).toBeNull()
    expect(await waiter.holds()).toHaveLength(1)
  },
)

test.skipIf(missing(kernelTables))(
  'a grant that lies longer than the maxHold of its waiter goes to another process, and the waiter waits again',
  async () => {
    const path = file()
    const [holder, other] = await two()
    const { waiter, marks, outcome, release } = await granted(holder, path, { timeout: Infinity, maxHold: SHORT })
    await release()
    const next = await other.acquire(path, { timeout: Infinity })
    marks.goOn()
    await waiterBlocked(next.lockfile, waiter.pid)
    await mustStayBlocked(outcome)
    expect(await waiter.holds()).toEqual([])
    await other.release(next)
    expect(await outcome).toBe(true)
  },
)
