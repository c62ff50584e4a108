// Races that threads, timers and the watchdog can have with each other, each in both orders, on the fake kernel: what is
// done inside `onCall` comes between a check and what follows from it.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import { describe, expect, onTestFinished, test } from 'vitest'

import { Coordinator } from '../../src/coordination/coordinator.js'
import { deliverEvents } from '../../src/channels.js'
import { type RevokeEvent } from '../../src/events.js'
import type { Hold } from '../../src/hold.js'
import { tryRequest, type TryAcquireOptions } from '../../src/options.js'
import { Owner } from '../../src/owner.js'
import { FakeWorld, microtasks, watch } from '../helpers/fake-world.js'

const FILE = '/a'
const LOCKFILE = '/a.hold'
const shared = { mode: 'shared' } as const

function acquired(hold: Hold | null): Hold {
  if (hold === null) throw new Error('the lock is held')
  return hold
}

/** Two threads of one system. */
function pair() {
  const world = new FakeWorld()
  const [us, them] = [world.thread(), world.thread()]
  return { world, us, ours: us.holdfast, theirs: them.holdfast, kernel: us.kernel }
}

/** Runs `act` once, inside the next such call. */
function inside(world: FakeWorld, call: string, act: () => void): { readonly happened: boolean } {
  const state = { happened: false }
  world.system.onCall = (name) => {
    if (name !== call || state.happened) return
    state.happened = true
    act()
  }
  return state
}

/** The reasons of every revocation from now on, in order. */
function revocations(): string[] {
  const reasons: string[] = []
  const listener = (event: unknown): void => void reasons.push((event as RevokeEvent).reason)
  subscribe('holdfast:revoke', listener)
  onTestFinished(() => void unsubscribe('holdfast:revoke', listener))
  return reasons
}

async function settled(world: FakeWorld): Promise<void> {
  await microtasks()
  world.system.deliver()
  await microtasks()
}

/** A guard that is open until `leave` is called. */
async function guarded(hold: Hold): Promise<() => Promise<void>> {
  let leave: () => void = () => {}
  const guard = hold.guard(() => new Promise<void>((resolve) => (leave = resolve)))
  await microtasks()
  return async () => {
    leave()
    await guard
  }
}

describe('a grant against a revocation', () => {
  test.each(['watchdog', 'timer'])('maxHold ends the hold once, whoever comes first: the %s', async (first) => {
    const { world, ours, theirs } = pair()
    const reasons = revocations()
    world.system.watchdogSleeps = true
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    const seen = watch({ local: ours.acquire(FILE), foreign: theirs.acquire(FILE) })
    world.clock.turn()
    world.clock.block(10)
    const steps = { watchdog: () => world.system.watch(), timer: () => world.clock.fire() }
    if (first === 'watchdog') steps.watchdog()
    steps.timer()
    if (first === 'timer') steps.watchdog()
    await settled(world)
    // At its limit the lock can only go free: nothing is handed over any more.
    expect(seen.order).toEqual(['foreign'])
    expect(hold.held).toBe(false)
    for (const next of ['foreign', 'local']) {
      seen.values.get(next)?.release()
      await settled(world)
    }
    expect([...seen.order].sort()).toEqual(['foreign', 'local'])
    deliverEvents()
    expect(reasons).toEqual(['max-hold'])
  })

  test('a revoked hold that is released later frees nobody else’s lock', async () => {
    const { world, ours, theirs } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    const foreign = theirs.acquire(FILE)
    world.clock.block(10)
    hold.release()
    world.system.deliver()
    expect((await foreign).held).toBe(true)
    expect(ours.tryAcquire(FILE)).toBeNull()
    expect(world.system.calls.filter((call) => call === 'release')).toHaveLength(1)
  })

  test.each(['before', 'after'])(
    'an abort of the first waiter %s the kernel’s grant passes the lock on',
    async (order) => {
      const { world, ours, theirs } = pair()
      const holder = acquired(theirs.tryAcquire(FILE))
      const controller = new AbortController()
      const first = ours.acquire(FILE, { signal: controller.signal, maxHold: 5 })
      const seen = watch({ next: ours.acquire(FILE, { maxHold: 50 }) })
      if (order === 'after') holder.release()
      controller.abort('gone')
      if (order === 'before') holder.release()
      await expect(first).rejects.toBe('gone')
      // What was granted for the first one's 5 ms lies no longer than the next one's 50.
      world.system.deliver()
      await microtasks()
      expect(seen.order).toEqual(['next'])
      world.clock.block(49)
      expect(seen.values.get('next')?.held).toBe(true)
      expect(theirs.tryAcquire(FILE)).toBeNull()
      world.clock.block(1)
      expect(seen.values.get('next')?.held).toBe(false)
      expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
    },
  )
})

describe('a hand-over against the watchdog', () => {
  test('the hand-over comes first: the old deadline ends nothing', async () => {
    const { world, ours, theirs } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    const seen = watch({ local: ours.acquire(FILE), foreign: theirs.acquire(FILE) })
    world.clock.block(9)
    hold.release()
    world.clock.block(2)
    await settled(world)
    expect(seen.order).toEqual(['local'])
    expect(seen.values.get('local')?.held).toBe(true)
    seen.values.get('local')?.assertHeld()
  })

  test.each(['names', 'limit'])('the watchdog comes first, inside %s: the next waiter queues again', async (call) => {
    const { world, ours, theirs } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    const seen = watch({ local: ours.acquire(FILE), foreign: theirs.acquire(FILE) })
    world.clock.block(9)
    const race = inside(world, call, () => world.clock.block(2))
    hold.release()
    expect(race.happened).toBe(true)
    await settled(world)
    expect(seen.order).toEqual(['foreign'])
    expect(ours.holds()).toEqual([])
    seen.values.get('foreign')?.release()
    await settled(world)
    expect(seen.order).toEqual(['foreign', 'local'])
  })

  test('the watchdog comes before a re-entry that found the hold lasting: the owner queues again', async () => {
    const { world, ours, theirs } = pair()
    const owner = new Owner('lane')
    const hold = acquired(ours.tryAcquire(FILE, { owner, maxHold: 10 }))
    const foreign = watch({ foreign: theirs.acquire(FILE) })
    world.clock.block(9)
    const race = inside(world, 'names', () => world.clock.block(2))
    const seen = watch({ again: ours.acquire(FILE, { owner }) })
    expect(race.happened).toBe(true)
    await settled(world)
    expect([...foreign.order, ...seen.order]).toEqual(['foreign'])
    expect(hold.held).toBe(false)
    foreign.values.get('foreign')?.release()
    await settled(world)
    expect(seen.order).toEqual(['again'])
  })

  test('a shared request that would join a hold as the watchdog ends it gets a lock of its own', () => {
    const { world, ours } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { ...shared, maxHold: 10 }))
    world.clock.block(9)
    const race = inside(world, 'names', () => world.clock.block(2))
    const joined = acquired(ours.tryAcquire(FILE, shared))
    expect(race.happened).toBe(true)
    expect([hold.held, joined.held]).toEqual([false, true])
    joined.assertHeld()
    joined.release()
    expect(world.system.isQuiet(LOCKFILE)).toBe(true)
  })
})

describe('a collection against a guard', () => {
  /** A hold as the leak watcher knows it. */
  function leaky(options: TryAcquireOptions = {}) {
    const { world, us, theirs } = pair()
    const coordinator = new Coordinator(us.kernel, us.clock)
    const request = tryRequest((path, where) => us.kernel.locate(path, where), FILE, options)
    const state = coordinator.tryAcquire(request)
    if (state === null) throw new Error('the lock is held')
    const leaks: unknown[] = []
    const listener = (event: unknown): void => void leaks.push(event)
    subscribe('holdfast:leak', listener)
    onTestFinished(() => void unsubscribe('holdfast:leak', listener))
    return { world, state, theirs, leaks }
  }

  test('the collection comes first: no guard is entered any more', () => {
    const { state, theirs, leaks } = leaky()
    state.collected()
    expect(() => state.enterGuard({})).toThrow(expect.objectContaining({ code: 'ERR_LOCK_LOST', reason: 'collected' }))
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
    deliverEvents()
    expect(leaks).toHaveLength(1)
  })

  test('the guard comes first: the handle is kept, and were it collected all the same, the guard keeps the lock', () => {
    const { state, theirs } = leaky()
    const handle = {}
    state.enterGuard(handle)
    expect(state.handle).toBe(handle)
    state.collected()
    expect(state.held).toBe(false)
    expect(theirs.tryAcquire(FILE)).toBeNull()
    state.exitGuard()
    expect(state.handle).toBeNull()
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })

  test('when the last of two guards is left, the handle may be collected', () => {
    const { state, theirs } = leaky()
    state.enterGuard({})
    state.enterGuard({})
    state.exitGuard()
    expect(state.handle).not.toBeNull()
    state.exitGuard()
    expect(state.handle).toBeNull()
    expect(state.held).toBe(true)
    state.collected()
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })

  test('past its deadline it was lost to that, and is no leak', () => {
    const { world, state, leaks } = leaky({ maxHold: 10 })
    world.clock.block(10)
    state.collected()
    deliverEvents()
    expect(state.lostBy).toMatchObject({ reason: 'max-hold' })
    expect(leaks).toEqual([])
  })
})

describe.each(['close', 'signal'])('the %s of an owner against the delivery of a grant', (how) => {
  function closable() {
    const controller = new AbortController()
    const owner = new Owner('lane', { signal: controller.signal })
    const close = (): void => (how === 'close' ? owner.close('over') : controller.abort('over'))
    return { owner, close }
  }

  test('the owner closes first: the request is rejected, and the lock is free before anything is delivered', async () => {
    const { world, ours, theirs } = pair()
    const { owner, close } = closable()
    const holder = acquired(theirs.tryAcquire(FILE))
    const request = ours.acquire(FILE, { owner })
    holder.release()
    close()
    acquired(theirs.tryAcquire(FILE)).release()
    await expect(request).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED', cause: 'over' })
    await settled(world)
    expect(ours.holds()).toEqual([])
    expect(world.system.isQuiet(LOCKFILE)).toBe(true)
  })

  test('the grant is delivered first: the hold is ended, and told so', async () => {
    const { world, ours, theirs } = pair()
    const { owner, close } = closable()
    const holder = acquired(theirs.tryAcquire(FILE))
    const request = ours.acquire(FILE, { owner })
    holder.release()
    world.system.deliver()
    close()
    acquired(theirs.tryAcquire(FILE)).release()
    const hold = await request
    expect(hold.held).toBe(false)
    expect(hold.signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'owner-closed' })
    await expect(hold.guard(() => 'entered')).rejects.toMatchObject({ code: 'ERR_LOCK_LOST' })
    expect(world.system.isQuiet(LOCKFILE)).toBe(true)
  })

  test('what it holds is never handed to what it waits for, and others get it', async () => {
    const { world, ours } = pair()
    const { owner, close } = closable()
    const reader = acquired(ours.tryAcquire('/other'))
    const hold = acquired(ours.tryAcquire(FILE, { owner }))
    const own = ours.acquire('/other', { owner })
    const seen = watch({ other: ours.acquire(FILE) })
    close()
    await expect(own).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED' })
    reader.release()
    await settled(world)
    expect(seen.order).toEqual(['other'])
    expect(hold.held).toBe(false)
    expect(world.system.isQuiet('/other.hold')).toBe(true)
  })
})

describe('the end of a thread against a hand-over', () => {
  test('the thread ends first: its waiters vanish, and the next thread is granted', async () => {
    const { world, us, ours, theirs } = pair()
    acquired(ours.tryAcquire(FILE))
    const local = watch({ local: ours.acquire(FILE, { timeout: 50 }) })
    const foreign = watch({ foreign: theirs.acquire(FILE) })
    world.clock.turn()
    us.terminate()
    world.clock.advance(100)
    await settled(world)
    expect([...local.order, ...foreign.order]).toEqual(['foreign'])
    foreign.values.get('foreign')?.release()
    expect(world.system.isQuiet(LOCKFILE)).toBe(true)
    expect(world.clock.pending).toBe(0)
  })

  test('the hand-over comes first: what was handed over is freed as well', async () => {
    const { world, us, ours, theirs } = pair()
    const hold = acquired(ours.tryAcquire(FILE))
    const local = watch({ local: ours.acquire(FILE) })
    const foreign = watch({ foreign: theirs.acquire(FILE) })
    hold.release()
    await microtasks()
    expect(local.order).toEqual(['local'])
    us.terminate()
    await settled(world)
    expect(foreign.order).toEqual(['foreign'])
  })

  test.each([true, false])('a grant that it was not told of (told: %s) goes to the next thread', async (told) => {
    const { world, us, ours, theirs } = pair()
    const third = world.thread().holdfast
    const holder = acquired(theirs.tryAcquire(FILE))
    const local = watch({ local: ours.acquire(FILE) })
    const next = watch({ next: third.acquire(FILE) })
    holder.release()
    if (told) world.system.deliver()
    us.terminate()
    await settled(world)
    expect(next.order).toEqual(['next'])
    expect(local.order).toEqual(told ? ['local'] : [])
  })

  test('a wait of the ended thread that is granted later lets go by itself', async () => {
    const { world, us, ours, theirs } = pair()
    const holder = acquired(theirs.tryAcquire(FILE))
    const local = watch({ local: ours.acquire(FILE, { timeout: 5 }) })
    world.clock.turn()
    us.terminate()
    holder.release()
    expect(world.system.isQuiet(LOCKFILE)).toBe(true)
    world.clock.advance(10)
    await settled(world)
    expect(local.order).toEqual([])
  })
})

describe('a grant that is not delivered, because the event loop is blocked', () => {
  test('it lapses when nobody waits for it any more, and the waiter is rejected', async () => {
    const { world, ours, theirs } = pair()
    const holder = acquired(theirs.tryAcquire(FILE))
    const waiter = ours.acquire(FILE, { timeout: 50 })
    const outcome = expect(waiter).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    world.clock.turn()
    world.clock.block(10)
    holder.release()
    world.clock.block(39)
    expect(theirs.tryAcquire(FILE)).toBeNull()
    world.clock.block(1)
    const taken = acquired(theirs.tryAcquire(FILE))
    world.system.deliver()
    world.clock.fire()
    await outcome
    expect(taken.held).toBe(true)
    taken.release()
    expect(world.system.isQuiet(LOCKFILE)).toBe(true)
  })

  test('it lapses as soon as the hold would have to end; the waiter is served later', async () => {
    const { world, ours, theirs } = pair()
    const holder = acquired(theirs.tryAcquire(FILE))
    const seen = watch({ waiter: ours.acquire(FILE, { timeout: Infinity, maxHold: 5 }) })
    holder.release()
    world.clock.block(4)
    expect(theirs.tryAcquire(FILE)).toBeNull()
    world.clock.block(1)
    const taken = acquired(theirs.tryAcquire(FILE))
    await settled(world)
    expect(seen.order).toEqual([])
    taken.release()
    await settled(world)
    expect(seen.order).toEqual(['waiter'])
    world.clock.block(4)
    expect(seen.values.get('waiter')?.held).toBe(true)
  })

  test('it is delivered in time: the hold has all of its maxHold', async () => {
    const { world, ours, theirs } = pair()
    const holder = acquired(theirs.tryAcquire(FILE))
    const waiter = ours.acquire(FILE, { timeout: 50, maxHold: 5 })
    holder.release()
    world.clock.block(4)
    world.system.deliver()
    const hold = await waiter
    world.clock.block(4)
    expect(hold.held).toBe(true)
    expect(theirs.tryAcquire(FILE)).toBeNull()
    world.clock.block(1)
    expect(hold.held).toBe(false)
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })

  test('another waiter of the thread keeps it beyond the deadline of the first', async () => {
    const { world, ours, theirs } = pair()
    const holder = acquired(theirs.tryAcquire(FILE))
    const seen = watch({ hasty: ours.acquire(FILE, { timeout: 10 }), patient: ours.acquire(FILE, { timeout: 100 }) })
    world.clock.turn()
    holder.release()
    world.clock.block(50)
    expect(theirs.tryAcquire(FILE)).toBeNull()
    world.clock.fire()
    await settled(world)
    // The grant was there at its deadline, and is still there when the event loop looks.
    expect(seen.order).toEqual(['hasty'])
    seen.values.get('hasty')?.release()
    await settled(world)
    expect(seen.order).toEqual(['hasty', 'patient'])
  })
})

describe('an extension against the deadline', () => {
  test('the extension comes first: the old deadline ends nothing', () => {
    const { world, ours, theirs } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    world.clock.advance(9)
    hold.extend(10)
    world.clock.advance(9)
    expect(hold.held).toBe(true)
    expect(theirs.tryAcquire(FILE)).toBeNull()
    world.clock.advance(1)
    expect(hold.held).toBe(false)
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })

  test.each(['before', 'inside'])('the deadline comes first, %s the extension: the hold is lost', (when) => {
    const { world, ours, theirs } = pair()
    const reasons = revocations()
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    world.clock.block(9)
    if (when === 'before') world.clock.block(1)
    const race = inside(world, 'limit', () => world.clock.block(1))
    expect(() => hold.extend(1000)).toThrow(expect.objectContaining({ code: 'ERR_LOCK_LOST', reason: 'max-hold' }))
    expect(race.happened).toBe(when === 'inside')
    expect(hold.held).toBe(false)
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
    world.clock.advance(2000)
    deliverEvents()
    expect(reasons).toEqual(['max-hold'])
  })

  test('the file goes free with the last of several deadlines', () => {
    const { world, ours, theirs } = pair()
    const owner = new Owner('lane')
    const holds = [10, 20].map((maxHold) => acquired(ours.tryAcquire(FILE, { owner, maxHold })))
    world.clock.block(5)
    holds[0]?.extend(25)
    world.clock.block(15)
    expect(holds.map(({ held }) => held)).toEqual([true, false])
    expect(theirs.tryAcquire(FILE)).toBeNull()
    world.clock.block(10)
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })
})

describe('a guard against the watchdog', () => {
  test('the guard comes first: the lock goes when it ends', async () => {
    const { world, ours, theirs } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    const leave = await guarded(hold)
    world.clock.block(20)
    expect(hold.held).toBe(false)
    expect(theirs.tryAcquire(FILE)).toBeNull()
    await expect(hold.guard(() => 'entered')).rejects.toMatchObject({ code: 'ERR_LOCK_LOST' })
    await leave()
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })

  test('the watchdog comes between the check and the entry: the guard is not entered', async () => {
    const { world, ours, theirs } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { maxHold: 10 }))
    world.clock.block(9)
    const race = inside(world, 'enterGuard', () => world.clock.block(1))
    let entered = false
    await expect(hold.guard(() => void (entered = true))).rejects.toMatchObject({ reason: 'max-hold' })
    expect([race.happened, entered, hold.held]).toEqual([true, false, false])
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })

  test.each(['release', 'owner', 'releaseAll'])('an ending by %s waits for the guard too', async (how) => {
    const { world, ours, theirs } = pair()
    const owner = new Owner('lane')
    const hold = acquired(ours.tryAcquire(FILE, { owner }))
    const leave = await guarded(hold)
    const seen = watch({ local: ours.acquire(FILE) })
    if (how === 'release') hold.release()
    else if (how === 'owner') owner.close()
    else ours.releaseAll()
    await settled(world)
    expect(seen.order).toEqual([])
    expect(theirs.tryAcquire(FILE)).toBeNull()
    await leave()
    await settled(world)
    expect(seen.order).toEqual(['local'])
  })
})

describe('what the model met first', () => {
  test('nobody shares a lock that only a guard keeps past its deadline: it is busy, and free when the guard ends', async () => {
    const { world, ours } = pair()
    const hold = acquired(ours.tryAcquire(FILE, { ...shared, maxHold: 10 }))
    const leave = await guarded(hold)
    world.clock.block(10)
    expect(ours.tryAcquire(FILE, shared)).toBeNull()
    const seen = watch({ reader: ours.acquire(FILE, shared) })
    await settled(world)
    expect(seen.order).toEqual([])
    await leave()
    await settled(world)
    expect(seen.order).toEqual(['reader'])
    expect(seen.values.get('reader')?.held).toBe(true)
  })

  test('a last try that is granted a replaced file sends the owner’s other request to the line of its own file', async () => {
    const { world, ours, theirs } = pair()
    world.system.link(LOCKFILE, '/alias.hold')
    const owner = new Owner('lane')
    const holder = acquired(theirs.tryAcquire(FILE))
    const seen = watch({
      replaced: ours.acquire('/alias', { owner, timeout: 50 }),
      other: ours.acquire(FILE, { owner, timeout: 500 }),
    })
    world.system.remove('/alias.hold')
    world.clock.advance(50)
    await settled(world)
    expect(seen.order).toEqual(['replaced'])
    holder.release()
    await settled(world)
    expect(seen.order).toEqual(['replaced', 'other'])
  })

  test('a waiter that changes the line at its deadline is rejected there too, and never holds the lock later', async () => {
    const { world, ours, theirs } = pair()
    world.system.link(LOCKFILE, '/alias.hold')
    const first = acquired(ours.tryAcquire(FILE))
    const bounded = ours.acquire(FILE, { maxHold: 5, timeout: Infinity })
    const hasty = ours.acquire(FILE, { timeout: 5 })
    const outcome = expect(hasty).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    first.release()
    expect((await bounded).held).toBe(true)
    world.clock.block(5)
    const other = acquired(ours.tryAcquire('/alias'))
    world.clock.advance(0)
    await outcome
    other.release()
    await settled(world)
    expect(ours.holds()).toEqual([])
    expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  })

  test('a tryAcquire that joins somebody else’s readers is no re-entry', () => {
    const { ours } = pair()
    const events: unknown[] = []
    const listener = (event: unknown): void => void events.push(event)
    subscribe('holdfast:hold', listener)
    onTestFinished(() => void unsubscribe('holdfast:hold', listener))
    const owner = new Owner('lane')
    for (const options of [{}, { owner }, { owner }]) acquired(ours.tryAcquire(FILE, { ...shared, ...options }))
    deliverEvents()
    expect(events.map((event) => (event as { reentered: boolean }).reentered)).toEqual([false, false, true])
  })
})
