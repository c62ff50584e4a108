// A program's own code runs in the middle of things: listeners of holds that end close owners, abort and acquire. Whatever
// they do, a closed owner and an aborted signal get nothing more, and nobody loses a place in line.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import { expect, onTestFinished, test } from 'vitest'

import { deliverEvents } from '../../src/channels.js'
import type { Hold } from '../../src/hold.js'
import { Owner } from '../../src/owner.js'
import { FakeWorld, microtasks, watch } from '../helpers/fake-world.js'

const FILE = '/a'

function acquired(hold: Hold | null): Hold {
  if (hold === null) throw new Error('the lock is held')
  return hold
}

/** A thread in which a hold of `owner` is past its deadline, and whose end calls `listener`. */
function overdue(owner: Owner, listener: () => void) {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const hold = acquired(holdfast.tryAcquire(FILE, { owner, maxHold: 5 }))
  hold.signal.addEventListener('abort', listener)
  world.clock.block(10)
  return { world, holdfast }
}

test.each([0, 50])('an owner that closes itself while it asks is granted nothing (timeout %i)', async (timeout) => {
  const owner = new Owner('lane')
  const { holdfast } = overdue(owner, () => owner.close('enough'))
  await expect(holdfast.acquire(FILE, { owner, timeout })).rejects.toMatchObject({
    code: 'ERR_LOCK_OWNER_CLOSED',
    cause: 'enough',
  })
  expect(holdfast.holds()).toEqual([])
  expect(owner.holds).toEqual([])
})

test('nor by tryAcquire()', () => {
  const owner = new Owner('lane')
  const { holdfast } = overdue(owner, () => owner.close())
  expect(() => holdfast.tryAcquire(FILE, { owner })).toThrow(expect.objectContaining({ code: 'ERR_LOCK_OWNER_CLOSED' }))
  expect(holdfast.holds()).toEqual([])
})

test('a request whose signal aborts while it is made is rejected at once, also behind others', async () => {
  const controller = new AbortController()
  const { world, holdfast } = overdue(new Owner('lane'), () => controller.abort('enough'))
  const other = world.thread().holdfast.tryAcquire('/b')
  await expect(holdfast.acquire(FILE, { signal: controller.signal, timeout: Infinity })).rejects.toBe('enough')
  expect(other?.held).toBe(true)
  expect(holdfast.holds()).toEqual([])
})

test('acquireAll() of an owner that is closed in between is rejected at once, and holds nothing', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const owner = new Owner('lane')
  const other = world.thread().holdfast
  acquired(other.tryAcquire(FILE)).release() // made first, so it is the first that is taken
  acquired(other.tryAcquire('/b'))
  const before = holdfast.acquire('/b', { timeout: 1000 }).catch(() => 'refused')
  const all = holdfast.acquireAll([FILE, '/b'], { owner, timeout: 700 })
  owner.close('enough')
  await expect(all).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED', cause: 'enough' })
  expect(holdfast.holds()).toEqual([])
  world.clock.advance(1000)
  expect(await before).toBe('refused')
})

test('where a signal ends the request and its owner, the request is rejected with the signal’s reason', async () => {
  const { holdfast } = new FakeWorld().thread()
  acquired(holdfast.tryAcquire(FILE))
  const controller = new AbortController()
  const owner = new Owner('lane', { signal: controller.signal })
  acquired(holdfast.tryAcquire('/b', { owner }))
  const wait = holdfast.acquire(FILE, { owner, signal: controller.signal })
  controller.abort('enough')
  await expect(wait).rejects.toBe('enough')
})

test('the end of an owner waits for a guard that a listener of that end entered', async () => {
  const { holdfast } = new FakeWorld().thread()
  const owner = new Owner('lane')
  const [first, second] = [
    acquired(holdfast.tryAcquire(FILE, { owner })),
    acquired(holdfast.tryAcquire('/b', { owner })),
  ]
  let leave = (): void => undefined
  first.signal.addEventListener('abort', () => {
    void second.guard(() => new Promise<void>((resolve) => (leave = resolve)))
  })
  const seen = watch({ ended: owner[Symbol.asyncDispose]() })
  await microtasks()
  expect(seen.order).toEqual([])
  leave()
  await microtasks()
  expect(seen.order).toEqual(['ended'])
})

test('many requests of one owner keep their place before a later one, however many turns their grants take', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const holder = acquired(holdfast.tryAcquire(FILE))
  const owner = new Owner('lane')
  const requests: Record<string, Promise<Hold>> = {}
  for (let i = 0; i < 24; i++) requests[`own ${i}`] = holdfast.acquire(FILE, { owner, timeout: Infinity })
  requests['other'] = holdfast.acquire(FILE, { timeout: Infinity })
  const seen = watch(requests)
  holder.release()
  for (let round = 0; round < 40 && seen.order.length < 25; round++) {
    await microtasks()
    for (const hold of seen.values.values()) hold.release()
    world.clock.turn()
    world.system.deliver()
  }
  expect(seen.order).toEqual(Object.keys(requests))
})

test('a hold that was revoked inside another one of its owner is told to the next', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const owner = new Owner('lane')
  acquired(holdfast.tryAcquire(FILE, { owner, label: 'short', maxHold: 5 }))
  const long = acquired(holdfast.tryAcquire(FILE, { owner, label: 'long' }))
  world.clock.advance(5)
  long.release()
  expect(holdfast.inspect(FILE).state).toBe('abandoned')
  expect(acquired(holdfast.tryAcquire(FILE)).recoveredFrom).toMatchObject({ reason: 'max-hold', label: 'short' })
  await microtasks()
})

test('a shared hold that was revoked inside an exclusive one is none to recover from', () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const owner = new Owner('lane')
  const outer = acquired(holdfast.tryAcquire(FILE, { owner }))
  acquired(holdfast.tryAcquire(FILE, { owner, mode: 'shared', maxHold: 5 }))
  outer.release()
  world.clock.advance(5)
  expect(holdfast.inspect(FILE).state).toBe('free')
  expect(acquired(holdfast.tryAcquire(FILE)).recoveredFrom).toBeNull()
})

test('one’s own upgrade is a deadlock although nothing would wait, and its event tells whose it is', async () => {
  const { holdfast } = new FakeWorld().thread()
  const told: unknown[] = []
  const listener = (event: unknown): void => void told.push(event)
  subscribe('holdfast:deadlock', listener)
  onTestFinished(() => void unsubscribe('holdfast:deadlock', listener))
  const owner = new Owner('lane')
  acquired(holdfast.tryAcquire(FILE, { owner, mode: 'shared' }))
  for (const timeout of [0, Infinity]) {
    await expect(holdfast.acquire(FILE, { owner, label: 'up', timeout })).rejects.toMatchObject({
      code: 'ERR_LOCK_DEADLOCK',
      cycle: [{ owner: 'lane', path: FILE, mode: 'exclusive' }],
    })
  }
  expect(holdfast.tryAcquire(FILE, { owner })).toBeNull()
  deliverEvents()
  expect(told).toHaveLength(2)
  for (const event of told) expect(event).toMatchObject({ owner: 'lane', label: 'up', queued: 0 })
})

test('a time-out behind an open guard of a hold that has ended says so, and advises nothing that would not help', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const hold = acquired(holdfast.tryAcquire(FILE, { maxHold: 60_000 }))
  let leave = (): void => undefined
  void hold.guard(() => new Promise<void>((resolve) => (leave = resolve)))
  hold.release()
  const late = holdfast.acquire(FILE, { timeout: 5 })
  world.clock.advance(5)
  await expect(late).rejects.toThrow(/an open guard of it keeps the lock/)
  leave()
  await microtasks()
  acquired(holdfast.tryAcquire(FILE, { mode: 'shared' }))
  const exclusive = holdfast.acquire(FILE, { timeout: 5 })
  world.clock.advance(5)
  await expect(exclusive).rejects.toThrow(/1st in queue\.$/)
})
