// A wait in the kernel's queue, for the first of those who wait in this thread, and how long its grant may lie there if the
// event loop does not take it: no longer than the first may hold the lock, nor than anybody waits for it.
import type { Kernel, Lease, Mode } from '../kernel/kernel.js'
import type { LinkedList } from './linked-list.js'
import type { Waiter } from './waiter.js'

export class KernelWait {
  readonly lease: Lease
  readonly mode: Mode
  settled = false
  private grace = Infinity
  /** By the clock. */
  private latest = Infinity

  constructor(lease: Lease, mode: Mode) {
    this.lease = lease
    this.mode = mode
  }

  /** Somebody came. */
  joined(kernel: Kernel, waiters: LinkedList<Waiter>, waiter: Waiter, now: number): void {
    this.limit(kernel, waiters, Math.max(this.latest, waiter.deadline), now)
  }

  /** Somebody left, or this wait has just begun. */
  limitTo(kernel: Kernel, waiters: LinkedList<Waiter>, now: number): void {
    if (waiters.first === null) return // it will be dropped
    let latest = -Infinity
    for (const { deadline } of waiters) latest = Math.max(latest, deadline)
    this.limit(kernel, waiters, latest, now)
  }

  private limit(kernel: Kernel, { first }: LinkedList<Waiter>, latest: number, now: number): void {
    const grace = first?.request.maxHold ?? Infinity
    if (grace === this.grace && latest === this.latest) return
    this.grace = grace
    this.latest = latest
    kernel.limitWait(this.lease, grace, latest - now)
  }
}
