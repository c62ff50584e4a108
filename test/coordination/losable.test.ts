// An engine whose leases can be lost, and which has fencing numbers of its own and no record: what coordination makes of that,
// on the fake kernel.
import { expect, test } from 'vitest'

import { Holdfast } from '../../src/holdfast.js'
import type { FenceRange, Lease } from '../../src/kernel/kernel.js'
import { FakeClock } from '../helpers/fake-clock.js'
import { FakeKernel, FakeSystem } from '../helpers/fake-kernel.js'

class LosableKernel extends FakeKernel {
  onLost: (lease: Lease, cause: unknown) => void = () => {}
  living = true
  /** How many numbers come with a grant. */
  numbers = 3
  last: Lease = 0
  private next = 100

  private readonly lost = new Set<Lease>()

  lose(cause: unknown): void {
    this.lost.add(this.last)
    this.onLost(this.last, cause)
  }

  alive(lease: Lease): boolean {
    return this.living && !this.lost.has(lease)
  }

  override names(lease: Lease, lockfile: string): boolean {
    return this.alive(lease) && super.names(lease, lockfile)
  }

  fences(lease: Lease): FenceRange {
    this.last = lease
    const first = this.next
    this.next += this.numbers
    return { first, end: first + this.numbers }
  }
}

const OPTIONS = { record: false }

function world() {
  const system = new FakeSystem()
  const clock = new FakeClock()
  system.now = () => clock.now()
  const kernel = new LosableKernel(system)
  const holdfast = new Holdfast(() => kernel, clock)
  const others = new Holdfast(() => system.open(), clock)
  return { system, clock, kernel, holdfast, others }
}

test('a lease that is lost ends its holds with the reason connection, and the next request asks again', async () => {
  const { kernel, holdfast } = world()
  const hold = await holdfast.acquire('/file', OPTIONS)
  const next = holdfast.acquire('/file', OPTIONS)
  kernel.lose('cut')
  expect(hold.held).toBe(false)
  expect(hold.signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'connection', cause: 'cut' })
  expect((await next).fence).toBe(103)
})

test('a hold is not held, nor its guard entered, from the moment at which its engine is not sure of it', async () => {
  const { kernel, holdfast } = world()
  const [hold, released] = [await holdfast.acquire('/file', OPTIONS), await holdfast.acquire('/other', OPTIONS)]
  const { signal } = hold
  kernel.living = false
  expect([hold.held, released.held]).toEqual([false, false])
  expect(signal.aborted).toBe(false)
  await expect(hold.guard(() => 1)).rejects.toMatchObject({ reason: 'connection' })
  expect(signal.aborted).toBe(true)
  released.release()
  expect(released.signal.reason).toMatchObject({ reason: 'connection' })
  expect(() => released.assertHeld()).toThrow(expect.objectContaining({ reason: 'connection' }))
})

test('an open guard keeps others of this process out although the lease is lost', async () => {
  const { kernel, holdfast } = world()
  const hold = await holdfast.acquire('/file', OPTIONS)
  let leave = (): void => {}
  const guard = hold.guard(() => new Promise<void>((resolve) => (leave = resolve)))
  kernel.lose('cut')
  expect(hold.signal.aborted).toBe(true)
  expect(holdfast.tryAcquire('/file', OPTIONS)).toBeNull()
  leave()
  await guard
  expect(holdfast.tryAcquire('/file', OPTIONS)?.fence).toBe(103)
})

test('each holder has a number; who enters its hold shares it; shared holds have none', async () => {
  const { holdfast } = world()
  const { Owner } = await import('../../src/owner.js')
  const owner = new Owner('lane')
  const first = holdfast.tryAcquire('/file', { ...OPTIONS, owner })
  const inner = holdfast.tryAcquire('/file', { ...OPTIONS, owner })
  const reader = holdfast.tryAcquire('/file', { ...OPTIONS, owner, mode: 'shared' })
  expect([first?.fence, inner?.fence, reader?.fence]).toEqual([100, 100, null])
  const next = holdfast.acquire('/file', OPTIONS)
  for (const hold of [first, inner, reader]) hold?.release()
  expect((await next).fence).toBe(101)
  expect(holdfast.tryAcquire('/shared', { ...OPTIONS, mode: 'shared' })?.fence).toBeNull()
})

test('a lease whose numbers are used up is not handed over', async () => {
  const { holdfast, system } = world()
  const first = await holdfast.acquire('/file', OPTIONS)
  const waits = [1, 2, 3].map(() => holdfast.acquire('/file', OPTIONS))
  first.release()
  const fences = [first.fence]
  for (const wait of waits) {
    system.deliver()
    const hold = await wait
    fences.push(hold.fence)
    hold.release()
  }
  expect(fences).toEqual([100, 101, 102, 103])
  expect(system.calls.filter((call) => call === 'release')).toHaveLength(2)
})
