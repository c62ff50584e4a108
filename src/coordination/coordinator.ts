// All lock files of this thread: which queue is for which path and lease, and the way in for every request.
import type { LockTimeoutError } from '../errors.js'
import type { Clock } from '../kernel/clock.js'
import type { Kernel, Lease, LockTarget } from '../kernel/kernel.js'
import type { Request } from '../options.js'
import { Arrival, type Settling } from './arrival.js'
import { CallSites } from './call-sites.js'
import { Deadlines } from './deadlines.js'
import { FileQueue, type Registry } from './file-queue.js'
import type { HoldState } from './hold-state.js'
import { systemError } from './system-error.js'
import { timeoutError } from './timeout-error.js'
import { Turn } from './turn.js'
import { Waiter } from './waiter.js'

export class Coordinator implements Registry {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly turn: Turn
  readonly deadlines: Deadlines
  private readonly callSites: CallSites
  readonly queuesByPath = new Map<string, FileQueue>()
  readonly arrivals = new Map<string, Arrival>()
  readonly waits = new Map<Lease, Settling>()
  readonly detachedQueues = new Set<FileQueue>()

  constructor(kernel: Kernel, clock: Clock) {
    this.kernel = kernel
    this.clock = clock
    this.turn = new Turn(clock)
    this.deadlines = new Deadlines(clock)
    this.callSites = new CallSites(clock)
    kernel.onSettled = (lease) => this.waits.get(lease)?.settled(lease)
    kernel.onLost = (lease, cause) => this.queueOf(lease).lost(cause)
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
    request.acquiredAt = this.callSites.ofOwner(request.owner)
    const line = this.lineFor(request.file, 0)
    const waiter = new Waiter(request, line, this.clock, started, resolve, reject)
    line.enqueue(waiter)
    if (waiter.over) return
    request.acquiredAt ??= this.callSites.ofWait(request.owner)
    waiter.arm(this.deadlines)
  }

  /** The error of a request that waited in vain, here or elsewhere. */
  timedOut(request: Request, waited: number, position: number): LockTimeoutError {
    const holder = this.queuesByPath.get(request.file.lockfile)?.someHold()
    return timeoutError(this.kernel, request, waited, position, holder)
  }

  tryAcquire(request: Request): HoldState | null {
    request.acquiredAt = this.callSites.ofOwner(request.owner)
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

  /** What is past its deadline is ended first, which may close its queue. */
  queueFor(path: string): FileQueue {
    this.queuesByPath.get(path)?.expireHolds()
    return this.queuesByPath.get(path) ?? new FileQueue(this, path)
  }

  /** What this thread holds and has not ended, past its deadline or not. */
  get holds(): HoldState[] {
    return this.keepers().filter(({ open }) => open)
  }

  /** Ends what is past its deadline, for timers may be late. */
  expireHolds(): void {
    for (const hold of this.keepers()) hold.expire()
  }

  /** How many wait for the same file in this thread. */
  queuedFor({ file: { lockfile } }: Request): number {
    return this.queuesByPath.get(lockfile)?.queued ?? 0
  }

  /** Asked only when a file is met under a second name, or a lease is lost. */
  queueOf(lease: Lease): FileQueue {
    for (const queue of this.queuesByPath.values()) if (queue.has(lease)) return queue
    for (const queue of this.detachedQueues) if (queue.has(lease)) return queue
    throw new Error(`lease ${lease} has no queue`)
  }

  /** Holds that keep a lock, ended or not. */
  private keepers(): HoldState[] {
    const queues = new Set([...this.queuesByPath.values(), ...this.detachedQueues])
    return [...queues].flatMap((queue) => [...queue.holds])
  }

  /** One try for a request that does not queue. It counts as a grant like any other: see turn.ts. */
  private acquireNow(request: Request, resolve: (hold: HoldState) => void, reject: (error: unknown) => void): void {
    const again = { advance: () => this.acquireNow(request, resolve, reject) }
    if (!this.turn.mayGrant(again)) return
    try {
      const hold = this.tryAcquire(request)
      if (hold === null) {
        this.queuesByPath.get(request.file.lockfile)?.refuseUpgrade(request)
        throw this.timedOut(request, 0, 0)
      }
      this.turn.granted()
      resolve(hold)
    } catch (error) {
      reject(error)
    }
  }
}
