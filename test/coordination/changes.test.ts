// A hold under which changes are made from other threads, on the fake kernel: what may end it, and who is next.
import { expect, test } from 'vitest'

import { Hold } from '../../src/hold.js'
import { Owner } from '../../src/owner.js'
import { FakeWorld, microtasks } from '../helpers/fake-world.js'

const FILE = '/a'

function pair() {
  const world = new FakeWorld()
  const [us, them] = [world.thread(), world.thread()]
  return { world, ours: us.holdfast, theirs: them.holdfast, kernel: us.kernel }
}

/** Whether another thread would get the lock now. */
function isFree(theirs: ReturnType<typeof pair>['theirs']): boolean {
  const hold = theirs.tryAcquire(FILE)
  hold?.release()
  return hold !== null
}

for (const [title, end] of [
  ['its release', (hold: Hold): void => hold.release()],
  ['releaseAll()', (_: Hold, { ours }: ReturnType<typeof pair>): void => void ours.releaseAll()],
  ['its owner', (hold: Hold): void => hold.owner.close()],
  ['its deadline', (_: Hold, { world }: ReturnType<typeof pair>): void => world.clock.advance(100)],
] as const) {
  test(`${title} ends a hold under which changes are made, and hands the lock to nobody before they are`, async () => {
    const both = pair()
    both.world.system.watchdogSleeps = true
    const hold = await both.ours.acquire(FILE, { maxHold: 100 })
    const state = Hold.stateOf(hold)
    expect(state.beginUse(hold)).toBe(null)
    const next = both.ours.acquire(FILE)
    end(hold, both)
    await microtasks()
    expect([hold.held, isFree(both.theirs)]).toEqual([false, false])
    expect(await Promise.race([next, microtasks().then(() => 'waits')])).toBe('waits')

    state.endUse()
    await microtasks()
    both.world.system.deliver()
    expect((await next).held).toBe(true)
  })
}

test('a hold that is over cannot be used for changes', async () => {
  const { ours } = pair()
  const hold = await ours.acquire(FILE)
  hold.release()
  expect(() => Hold.stateOf(hold).beginUse(hold)).toThrow(expect.objectContaining({ code: 'ERR_LOCK_LOST' }))
})

test('a lease that a change may end is not handed to the next waiter: it asks the kernel, behind other threads', async () => {
  const { world, ours, theirs, kernel } = pair()
  const hold = await ours.acquire(FILE)
  const state = Hold.stateOf(hold)
  expect(state.beginUse(hold)).toBe(null)
  const { lease, ends } = state.claim(true)
  expect(ends).toBe(true)
  const [elsewhere, here] = [theirs.acquire(FILE), ours.acquire(FILE)]
  kernel.release(lease, null, 0) // as the change does
  const calls = world.system.calls.length
  state.endUse()
  hold.release()
  expect(world.system.calls.slice(calls).filter((call) => /request|names/.test(call))).toEqual([
    'request wait exclusive',
  ])
  world.system.deliver()
  const first = await Promise.race([
    elsewhere.then((held) => ({ held, who: 'elsewhere' })),
    here.then((held) => ({ held, who: 'here' })),
  ])
  expect(first.who).toBe('elsewhere')
  expect(ours.holds()).toEqual([])
  first.held.release()
  world.system.deliver()
  expect((await here).held).toBe(true)
})

test('a change ends no lease that somebody may need after it: of a shared hold, of an owner, or before the last change', async () => {
  const { ours } = pair()
  const ends = async (options: object, last: boolean): Promise<boolean> => {
    const hold = await ours.acquire(FILE, options)
    const state = Hold.stateOf(hold)
    expect(state.beginUse(hold)).toBe(null)
    const claim = state.claim(last)
    state.endUse()
    hold.release()
    return claim.ends
  }
  expect(await ends({}, true)).toBe(true)
  expect(await ends({}, false)).toBe(false)
  expect(await ends({ mode: 'shared' }, true)).toBe(false)
  expect(await ends({ owner: new Owner('lane') }, true)).toBe(false)
})

test('two holds of one owner make their changes one after another, in the order in which they asked', async () => {
  const { ours } = pair()
  const owner = new Owner('lane')
  const states = []
  for (let i = 0; i < 3; i++) {
    const hold = await ours.acquire(FILE, { owner })
    states.push({ hold, state: Hold.stateOf(hold) })
  }
  const order: number[] = []
  const turns = states.map(async ({ hold, state }, index) => {
    const turn = state.beginUse(hold)
    expect(turn === null).toBe(index === 0)
    await turn
    order.push(index)
    await microtasks()
    expect(order).toHaveLength(index + 1)
    state.endUse()
  })
  await Promise.all(turns)
  expect(order).toEqual([0, 1, 2])
})
