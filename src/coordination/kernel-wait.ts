// A wait in the kernel's queue, for the first of those who wait in this thread, and how long its grant may lie there if the
// event loop does not take it: no longer than the first may hold the lock, nor than anybody waits for it.
import type { Clock } from '../kernel/clock.js'
import type { Kernel, Lease, Mode } from '../kernel/kernel.js'
import type { LinkedList } from './linked-list.js'
import type { Waiter } from './waiter.js'

export class KernelWait {
  readonly lease: Lease
  readonly mode: Mode
  settled = false
  private readonly kernel: Kernel
  private readonly clock: Clock
  private readonly waiters: LinkedList<Waiter>
  private grace = Infinity
  /** By the clock. */
  private latest = Infinity

  constructor(kernel: Kernel, clock: Clock, waiters: LinkedList<Waiter>, lease: Lease, mode: Mode) {
    this.kernel = kernel
    this.clock = clock
    this.waiters = waiters
    this.lease = lease
    this.mode = mode
    this.limitAnew()
  }

  joined({ deadline }: Waiter): void {
    this.limit(Math.max(this.latest, deadline))
  }

  /** Somebody left. */
  limitAnew(): void {
    if (this.waiters.first === null) return // it will be dropped
    let latest = -Infinity
    for (const { deadline } of this.waiters) latest = Math.max(latest, deadline)
    this.limit(latest)
  }

  private limit(latest: number): void {
    const grace = this.waiters.first?.request.maxHold ?? Infinity
    if (grace === this.grace && latest === this.latest) return
    this.grace = grace
    this.latest = latest
    this.kernel.limitWait(this.lease, grace, latest - this.clock.now())
  }
}
