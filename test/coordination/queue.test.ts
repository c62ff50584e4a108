// Who goes next, on a fake kernel and clock: every order of events is chosen by the test.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import { expect, test } from 'vitest'

import type { Hold } from '../../src/hold.js'
import { FakeWorld, microtasks, watch } from '../helpers/fake-world.js'
import { systemFailure } from '../helpers/fake-kernel.js'

const FILE = '/a'
const LOCKFILE = '/a.hold'

function acquired(hold: Hold | null): Hold {
  if (hold === null) throw new Error('the lock is held')
  return hold
}

test('waiters are served in order of arrival', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const first = acquired(holdfast.tryAcquire(FILE))
  const seen = watch({ a: holdfast.acquire(FILE), b: holdfast.acquire(FILE), c: holdfast.acquire(FILE) })
  for (const [index, name] of ['a', 'b', 'c'].entries()) {
    await microtasks()
    expect(seen.order).toHaveLength(index)
    if (index === 0) first.release()
    else seen.values.get(['a', 'b', 'c'][index - 1] ?? '')?.release()
    await microtasks()
    expect(seen.order.at(-1)).toBe(name)
  }
})

test('a shared request does not overtake a queued exclusive one, and joins when that has gone', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const reader = acquired(holdfast.tryAcquire(FILE, { mode: 'shared' }))
  const controller = new AbortController()
  const writer = holdfast.acquire(FILE, { signal: controller.signal })
  const seen = watch({ reader: holdfast.acquire(FILE, { mode: 'shared' }) })
  await microtasks()
  expect(seen.order).toEqual([])
  expect(holdfast.tryAcquire(FILE, { mode: 'shared' })).toBeNull()
  controller.abort('gone')
  await expect(writer).rejects.toBe('gone')
  await microtasks()
  expect(seen.order).toEqual(['reader'])
  expect(reader.held).toBe(true)
})

test('shared requests at the head of the line are granted together', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const writer = acquired(holdfast.tryAcquire(FILE))
  const shared = { mode: 'shared' } as const
  const seen = watch({
    a: holdfast.acquire(FILE, shared),
    b: holdfast.acquire(FILE, shared),
    w: holdfast.acquire(FILE),
    c: holdfast.acquire(FILE, shared),
  })
  writer.release()
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual(['a', 'b'])
})

test('a signal that is aborted already costs no call at all', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const reason = new Error('too late')
  await expect(holdfast.acquire(FILE, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  await expect(holdfast.acquireAll([FILE], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect(world.system.calls).toEqual([])
})

test('two names of one file are one line, whoever came first', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  world.system.link(LOCKFILE, '/alias')
  const seen = watch({
    a: ours.acquire(FILE),
    b: ours.acquire('/b', { lockfile: '/alias' }),
    c: ours.acquire(FILE),
  })
  expect(ours.tryAcquire('/b', { lockfile: '/alias', mode: 'shared' })).toBeNull()
  holder.release()
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual(['a'])
  seen.values.get('a')?.release()
  await microtasks()
  expect(seen.order).toEqual(['a', 'b'])
})

test('a hand-over makes no system call but the check of the path', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const first = acquired(holdfast.tryAcquire(FILE))
  const next = holdfast.acquire(FILE)
  world.system.calls.length = 0
  first.release()
  await next
  expect(world.system.calls).toEqual(['names'])
})

test.each([
  { age: 1, handOvers: 12, why: 'a tenure younger than 2 ms is handed over freely' },
  { age: 50, handOvers: 8, why: 'an older one eight times' },
  { age: 100, handOvers: 0, why: 'one of 100 ms not at all' },
])('$why', async ({ age, handOvers }) => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  let hold = acquired(holdfast.tryAcquire(FILE))
  const waiters = Array.from({ length: 12 }, () => holdfast.acquire(FILE))
  world.clock.advance(age)
  world.system.calls.length = 0
  for (let count = 0; count < handOvers; count++) {
    hold.release()
    const next = waiters.shift()
    if (next === undefined) throw new Error('no waiter left')
    hold = await next
  }
  expect(world.system.calls.filter((call) => call !== 'names' && call !== 'locate')).toEqual([])
  if (waiters.length === 0) return
  hold.release()
  expect(world.system.calls).toContain('release')
})

test('after the last hand-over the next request queues in the kernel without a fresh try', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const hold = acquired(ours.tryAcquire(FILE))
  const foreign = theirs.acquire(FILE)
  const local = watch({ local: ours.acquire(FILE) })
  world.clock.advance(100)
  world.system.calls.length = 0
  hold.release()
  expect(world.system.calls.filter((call) => call.startsWith('request'))).toEqual(['request wait exclusive'])
  world.system.deliver()
  const theirHold = await foreign
  expect(local.order).toEqual([])
  theirHold.release()
  world.system.deliver()
  await microtasks()
  expect(local.order).toEqual(['local'])
})

test.each([0, 1000])('after sixteen grants in a row the event loop gets a turn (timeout %i)', async (timeout) => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  let served = 0
  const loop = (async () => {
    for (let count = 0; count < 40; count++) {
      const hold = await holdfast.acquire(FILE, { timeout })
      served++
      hold.release()
    }
  })()
  for (const expected of [16, 32, 40]) {
    await microtasks()
    expect(served).toBe(expected)
    world.clock.turn()
  }
  await loop
})

test('a wait whose mode is not that of the first waiter any more is dropped', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread(), world.thread()]
  const holder = acquired(theirs.holdfast.tryAcquire(FILE, { mode: 'shared' }))
  const controller = new AbortController()
  const writer = ours.holdfast.acquire(FILE, { signal: controller.signal })
  const seen = watch({ reader: ours.holdfast.acquire(FILE, { mode: 'shared' }) })
  controller.abort()
  await expect(writer).rejects.toThrow()
  await microtasks()
  expect(seen.order).toEqual(['reader'])
  holder.release()
  seen.values.get('reader')?.release()
  expect(world.system.isQuiet(LOCKFILE)).toBe(true)
})

test('an abort before the notice of a grant rejects, and the next waiter gets the lock', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const controller = new AbortController()
  const first = ours.acquire(FILE, { signal: controller.signal })
  const seen = watch({ next: ours.acquire(FILE) })
  holder.release()
  controller.abort('no more')
  await expect(first).rejects.toBe('no more')
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual(['next'])
})

test('an abort of the only waiter after the grant, before its notice, frees the lock at once', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const controller = new AbortController()
  const first = ours.acquire(FILE, { signal: controller.signal })
  holder.release()
  controller.abort('no more')
  expect(acquired(theirs.tryAcquire(FILE)).held).toBe(true)
  await expect(first).rejects.toBe('no more')
  world.system.deliver()
  expect(ours.holds()).toEqual([])
})

test('an abort after the notice comes too late: the hold is the caller’s', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const controller = new AbortController()
  const first = ours.acquire(FILE, { signal: controller.signal })
  holder.release()
  world.system.deliver()
  controller.abort('no more')
  expect((await first).held).toBe(true)
})

test('at its deadline a waiter takes what was granted but not delivered yet', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const waiter = ours.acquire(FILE, { timeout: 100 })
  holder.release()
  world.clock.advance(100)
  expect((await waiter).held).toBe(true)
})

test('at its deadline a waiter makes one last try, and the dropped wait harms nothing', async () => {
  const world = new FakeWorld()
  world.system.threadless = true
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const waiter = ours.acquire(FILE, { timeout: 5 })
  world.clock.block(10)
  holder.release()
  world.system.calls.length = 0
  // Both the deadline and the next timed try are due: whichever comes first, the lock is taken once.
  world.clock.advance(0)
  const hold = await waiter
  hold.release()
  expect(world.system.isQuiet(LOCKFILE)).toBe(true)
  expect(world.clock.pending).toBe(0)
})

test('a deadline behind others rejects without a try', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const holder = acquired(holdfast.tryAcquire(FILE))
  const seen = watch({ first: holdfast.acquire(FILE), second: holdfast.acquire(FILE, { timeout: 10 }) })
  world.system.calls.length = 0
  world.clock.advance(10)
  await microtasks()
  expect(seen.order).toEqual(['second rejected'])
  expect(world.system.calls).toEqual([])
  holder.release()
})

test('deadlines are kept beyond the longest timer', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const holder = acquired(holdfast.tryAcquire(FILE))
  const seen = watch({ patient: holdfast.acquire(FILE, { timeout: 2 ** 40 }) })
  world.clock.advance(2 ** 40 - 1)
  await microtasks()
  expect(seen.order).toEqual([])
  world.clock.advance(1)
  await microtasks()
  expect(seen.order).toEqual(['patient rejected'])
  holder.release()
})

test('without a thread the lock is tried again after 1 to 50 ms, until it is free', async () => {
  const world = new FakeWorld()
  world.system.threadless = true
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const seen = watch({ waiter: ours.acquire(FILE) })
  const tries = () => world.system.calls.filter((call) => call.startsWith('request try-then-wait')).length
  world.clock.advance(100)
  const soon = tries()
  world.clock.advance(1000)
  const later = tries() - soon
  expect(soon).toBeGreaterThan(5)
  expect(later).toBeGreaterThanOrEqual(20)
  expect(later).toBeLessThanOrEqual(40)
  holder.release()
  world.clock.advance(50)
  await microtasks()
  expect(seen.order).toEqual(['waiter'])
})

test('a replaced file makes the waiters ask again, in their order and with their deadlines', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const seen = watch({
    a: ours.acquire(FILE, { timeout: 1000 }),
    b: ours.acquire(FILE, { timeout: 1000 }),
  })
  world.system.remove(LOCKFILE)
  const newcomer = acquired(world.thread().holdfast.tryAcquire(FILE))
  holder.release()
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual([])
  newcomer.release()
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual(['a'])
  world.clock.advance(1000)
  await microtasks()
  expect(seen.order).toEqual(['a', 'b rejected'])
})

test('a file replaced between two hand-overs is not handed over', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const first = acquired(ours.tryAcquire(FILE))
  const seen = watch({ next: ours.acquire(FILE) })
  world.system.remove(LOCKFILE)
  const newcomer = acquired(theirs.tryAcquire(FILE))
  first.release()
  await microtasks()
  expect(seen.order).toEqual([])
  newcomer.release()
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual(['next'])
})

test('a shared request for a replaced file locks the new one, and the old readers keep the old one', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const old = acquired(holdfast.tryAcquire(FILE, { mode: 'shared' }))
  world.system.link(LOCKFILE, '/old-name')
  world.system.remove(LOCKFILE)
  const fresh = await holdfast.acquire(FILE, { mode: 'shared' })
  const again = acquired(holdfast.tryAcquire(FILE, { mode: 'shared' }))
  expect(() => old.assertHeld()).toThrow(expect.objectContaining({ code: 'ERR_LOCK_LOST', reason: 'replaced' }))
  fresh.assertHeld()
  again.assertHeld()
  // The old file is met once more under its other name.
  const third = acquired(holdfast.tryAcquire('/c', { lockfile: '/old-name' }))
  for (const hold of [fresh, again, third]) hold.release()
  expect(world.system.isQuiet(LOCKFILE)).toBe(true)
  expect(world.system.isQuiet('/old-name')).toBe(true)
})

test('an old reader that is still there is met under the other name of its file', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const old = acquired(holdfast.tryAcquire(FILE, { mode: 'shared' }))
  world.system.link(LOCKFILE, '/old-name')
  world.system.remove(LOCKFILE)
  const fresh = await holdfast.acquire(FILE, { mode: 'shared' })
  const seen = watch({ writer: holdfast.acquire('/c', { lockfile: '/old-name' }) })
  await microtasks()
  expect(seen.order).toEqual([])
  fresh.release()
  old.release()
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual(['writer'])
})

test('a failure of the kernel rejects the first waiter only; the next one asks for itself', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const first = ours.acquire(FILE)
  const seen = watch({ second: ours.acquire(FILE) })
  world.system.fail(LOCKFILE, systemFailure('EIO', -5, LOCKFILE))
  world.system.deliver()
  await expect(first).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM', cause: { code: 'EIO' }, lockfile: LOCKFILE })
  holder.release()
  world.system.deliver()
  await microtasks()
  expect(seen.order).toEqual(['second'])
})

test.each(['ENOLCK', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'])('%s says that the filesystem cannot lock', async (code) => {
  const world = new FakeWorld()
  const { holdfast, kernel } = world.thread()
  kernel.nextFailure = systemFailure(code, -1, LOCKFILE)
  await expect(holdfast.acquire(FILE)).rejects.toMatchObject({ code: 'ERR_LOCK_UNSUPPORTED', cause: { code } })
  kernel.nextFailure = systemFailure(code, -1, LOCKFILE)
  expect(() => holdfast.tryAcquire(FILE)).toThrow(expect.objectContaining({ code: 'ERR_LOCK_UNSUPPORTED' }))
  expect(world.system.calls).not.toContain('release')
})

test('a fence grows with every hold, also when more hand-overs come than one block has numbers', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const fences: number[] = []
  let hold = acquired(holdfast.tryAcquire(FILE))
  const waiters = Array.from({ length: 40 }, () => holdfast.acquire(FILE))
  for (const next of waiters) {
    fences.push(hold.fence ?? NaN)
    hold.release()
    world.clock.turn()
    hold = await next
  }
  fences.push(hold.fence ?? NaN)
  hold.release()
  fences.push(acquired(holdfast.tryAcquire(FILE)).fence ?? NaN)
  expect(fences).toEqual([...new Set(fences)].sort((a, b) => a - b))
  expect(fences.every(Number.isSafeInteger)).toBe(true)
})

test('a revoked hold is told to the next one, on a hand-over too, and the one after it hears nothing', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const first = acquired(holdfast.tryAcquire(FILE, { label: 'first' }))
  const [second, third] = [holdfast.acquire(FILE), holdfast.acquire(FILE)]
  expect(holdfast.releaseAll('over')).toBe(1)
  expect(first.held).toBe(false)
  const next = await second
  expect(next.recoveredFrom).toMatchObject({ state: 'revoked', reason: 'released-all', label: 'first' })
  next.release()
  const last = await third
  expect(last.recoveredFrom).toBeNull()
  last.release()
})

test.each(['fails', 'is refused'])('a set lets go also where telling the next one of a death %s', async (how) => {
  const world = new FakeWorld()
  const [dying, ours, theirs] = [world.thread(), world.thread(), world.thread()]
  acquired(dying.holdfast.tryAcquire('/a', { label: 'dead' }))
  dying.terminate()
  acquired(theirs.holdfast.tryAcquire('/b'))
  const controller = new AbortController()
  const set = ours.holdfast.acquireAll(['/a', '/b'], { signal: controller.signal })
  await microtasks()
  expect(ours.holdfast.holds()).toHaveLength(1)
  ours.kernel.write = () => {
    if (how === 'fails') throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 })
    return false
  }
  controller.abort(new Error('changed my mind'))
  await expect(set).rejects.toThrow('changed my mind')
  const next = acquired(theirs.holdfast.tryAcquire('/a'))
  expect(next.recoveredFrom).toBeNull()
  next.release()
})

test('a hold whose limit has passed when it begins is told of, as one that was revoked', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread(), world.thread()]
  const first = acquired(ours.holdfast.tryAcquire(FILE, { maxHold: 3 }))
  const second = ours.holdfast.acquire(FILE, { maxHold: 10 })
  const limit = ours.kernel.limit.bind(ours.kernel)
  ours.kernel.limit = (...call) => {
    const answer = limit(...call)
    ours.kernel.limit = limit
    world.clock.advance(20) // the thread does not run for so long
    return answer
  }
  first.release()
  const hold = await second
  expect(hold.held).toBe(false)
  expect(hold.signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
  const next = acquired(theirs.holdfast.tryAcquire(FILE))
  expect(next.recoveredFrom).toMatchObject({ state: 'revoked', reason: 'max-hold' })
  next.release()
})

test('a hold without a record takes no part in who recovers from whom', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const unrecorded = { record: false }
  acquired(holdfast.tryAcquire(FILE, { label: 'recorded' }))
  const between = holdfast.acquire(FILE, unrecorded)
  holdfast.releaseAll()
  ;(await between).release()
  const next = acquired(holdfast.tryAcquire(FILE))
  expect(next.recoveredFrom).toMatchObject({ state: 'revoked', label: 'recorded' })
  next.release()
  acquired(holdfast.tryAcquire(FILE, unrecorded))
  const last = holdfast.acquire(FILE)
  holdfast.releaseAll()
  expect((await last).recoveredFrom).toBeNull()
})

test('a subscriber that locks the same file inside an event cannot come between a grant and its hold', async () => {
  const world = new FakeWorld()
  world.system.readOnly = true
  const { holdfast } = world.thread()
  const inside: Promise<Hold>[] = []
  const listener = () => {
    if (inside.length === 0) inside.push(holdfast.acquire(FILE))
  }
  subscribe('holdfast:fallback', listener)
  try {
    const first = acquired(holdfast.tryAcquire(FILE))
    await microtasks()
    expect(inside).toHaveLength(1)
    expect(holdfast.holds()).toHaveLength(1)
    first.release()
    expect((await inside[0])?.held).toBe(true)
  } finally {
    unsubscribe('holdfast:fallback', listener)
  }
})

test.each(['shared', 'exclusive'] as const)('a record that cannot be read is told of a %s hold, once', async (mode) => {
  const { holdfast, kernel } = new FakeWorld().thread()
  kernel.read = () => -1
  const events: unknown[] = []
  const listener = (event: unknown) => void events.push(event)
  subscribe('holdfast:fallback', listener)
  try {
    const hold = acquired(holdfast.tryAcquire(FILE, { mode }))
    expect(hold).toMatchObject({ fence: null, recoveredFrom: null })
    await microtasks()
    expect(events).toMatchObject([{ kind: 'record', reason: 'the lock file cannot be read' }])
  } finally {
    unsubscribe('holdfast:fallback', listener)
  }
})

test('one abort of several waiters rejects them all, also one that the first of them stood in the way of', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const reader = acquired(holdfast.tryAcquire(FILE, { mode: 'shared' }))
  const controller = new AbortController()
  const { signal } = controller
  const both = [holdfast.acquire(FILE, { signal }), holdfast.acquire(FILE, { signal, mode: 'shared' })]
  controller.abort('all')
  for (const waiter of both) await expect(waiter).rejects.toBe('all')
  expect(holdfast.holds()).toHaveLength(1)
  reader.release()
})

test('a deadline while the event loop is owed a turn never takes a lock in the mode of somebody else', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const controller = new AbortController()
  const shared = ours.acquire(FILE, { mode: 'shared', signal: controller.signal })
  const exclusive = ours.acquire(FILE, { timeout: 10 })
  world.clock.turn()
  holder.release()
  for (let grants = 0; grants < 16; grants++) (await ours.acquire('/other')).release()
  const reader = acquired(theirs.tryAcquire(FILE, { mode: 'shared' }))
  controller.abort('gone')
  await expect(shared).rejects.toBe('gone')
  world.clock.block(10)
  world.clock.fire()
  await expect(exclusive).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  expect(reader.held).toBe(true)
})

test('a set of which a member was lost while the others were waited for is not handed out', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  acquired(ours.tryAcquire('/a')).release()
  const second = acquired(theirs.tryAcquire('/b'))
  const set = ours.acquireAll(['/a', '/b'])
  await microtasks()
  expect(ours.releaseAll('over')).toBe(1)
  second.release()
  world.system.deliver()
  await expect(set).rejects.toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'released-all' })
  expect(ours.holds()).toEqual([])
})

test('a hold without a record touches no content and has no fence', () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const hold = acquired(holdfast.tryAcquire(FILE, { record: false }))
  expect(hold.fence).toBeNull()
  expect(world.system.inodeOf(LOCKFILE)?.content).toBe('')
  hold.release()
  expect(world.system.inodeOf(LOCKFILE)?.content).toBe('')
})

test('what ends leaves nothing: no lease, no timer, no queue', async () => {
  const world = new FakeWorld()
  const [ours, theirs] = [world.thread().holdfast, world.thread().holdfast]
  const holder = acquired(theirs.tryAcquire(FILE))
  const waits = [ours.acquire(FILE, { timeout: 5 }), ours.acquire(FILE, { timeout: 7, mode: 'shared' })]
  world.clock.advance(10)
  for (const wait of waits) await expect(wait).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  holder.release()
  expect(world.system.isQuiet(LOCKFILE)).toBe(true)
  expect(world.clock.pending).toBe(0)
})
