// A shared hold that is past its deadline while a guard of it is open: the kernel still has the lock, and lets nobody else
// into the same grant.
import { expect, test } from 'vitest'

import { FakeWorld, microtasks } from '../helpers/fake-world.js'

test('a shared request that comes while a guard outlasts the maxHold of another one is busy, and is granted after the guard', async () => {
  const world = new FakeWorld()
  const { holdfast } = world.thread()
  const first = holdfast.tryAcquire('/a', { mode: 'shared', maxHold: 5 })
  let leave = (): void => undefined
  const guarded = first?.guard(() => new Promise<void>((resolve) => (leave = resolve)))
  world.clock.advance(10)
  expect(holdfast.tryAcquire('/a', { mode: 'shared' })).toBeNull()
  leave()
  await guarded
  await microtasks()
  expect(holdfast.tryAcquire('/a', { mode: 'shared' })?.held).toBe(true)
})
