// All lock files of this thread: which queue is for which path and lease, and the way in for every request.
import type { Clock } from '../kernel/clock.js'
import type { Kernel, Lease, LockTarget } from '../kernel/kernel.js'
import type { Request } from '../options.js'
import { Arrival, type Settling } from './arrival.js'
import { Deadlines } from './deadlines.js'
import { FileQueue, type Registry } from './file-queue.js'
import type { HoldState } from './hold-state.js'
import { LinkedList } from './linked-list.js'
import { systemError } from './system-error.js'
import { timeoutError } from './timeout-error.js'
import { Turn } from './turn.js'
import { Waiter } from './waiter.js'

export class Coordinator implements Registry {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly turn: Turn
  private readonly deadlines: Deadlines
  readonly holds = new LinkedList<HoldState>()
  readonly queuesByPath = new Map<string, FileQueue>()
  readonly arrivals = new Map<string, Arrival>()
  readonly waits = new Map<Lease, Settling>()
  readonly detachedQueues = new Set<FileQueue>()

  constructor(kernel: Kernel, clock: Clock) {
    this.kernel = kernel
    this.clock = clock
    this.turn = new Turn(clock)
    this.deadlines = new Deadlines(clock)
    kernel.onSettled = (lease) => this.waits.get(lease)?.settled(lease)
  }

  /** Answers once, by `resolve` or `reject`, now or later. The deadline counts from `started`. */
  acquire(
    request: Request,
    resolve: (hold: HoldState) => void,
    reject: (error: unknown) => void,
    started = this.clock.now(),
  ): void {
    if (request.timeout === 0) {
      this.acquireNow(request, resolve, reject)
      return
    }
    const line = this.lineFor(request.file, 0)
    const waiter = new Waiter(request, line, this.clock, started, resolve, reject)
    line.enqueue(waiter)
    waiter.arm(this.deadlines)
  }

  tryAcquire(request: Request): HoldState | null {
    try {
      return this.queueFor(request.file.lockfile).tryNow(request)
    } catch (error) {
      throw systemError(error, request.file)
    }
  }

  /** Where a request goes first: to its queue, or where it is found out which that is. */
  lineFor({ target, lockfile, unfollowed }: LockTarget, links: number): Arrival | FileQueue {
    if (!unfollowed) return this.queueFor(lockfile)
    return this.arrivals.get(target) ?? new Arrival(this, target, links)
  }

  queueFor(path: string): FileQueue {
    return this.queuesByPath.get(path) ?? new FileQueue(this, path)
  }

  /** Asked only when a file is met under a second name. */
  queueOf(lease: Lease): FileQueue {
    for (const queue of this.queuesByPath.values()) if (queue.has(lease)) return queue
    for (const queue of this.detachedQueues) if (queue.has(lease)) return queue
    throw new Error(`lease ${lease} has no queue`)
  }

  /** One try for a request that does not queue. It counts as a grant like any other: see turn.ts. */
  private acquireNow(request: Request, resolve: (hold: HoldState) => void, reject: (error: unknown) => void): void {
    const again = { advance: () => this.acquireNow(request, resolve, reject) }
    if (!this.turn.mayGrant(again)) return
    try {
      request.signal?.throwIfAborted()
      const hold = this.tryAcquire(request)
      if (hold === null) throw timeoutError(this.kernel, request, 0, 0, this.holdOf(request))
      this.turn.granted()
      resolve(hold)
    } catch (error) {
      reject(error)
    }
  }

  private holdOf(request: Request): HoldState | undefined {
    for (const hold of this.holds) if (hold.file.lockfile === request.file.lockfile) return hold
    return undefined
  }
}
