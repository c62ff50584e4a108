// Who goes next on one lock file in this thread.
//
// Everything that happens changes the state below and then calls advance(), which alone decides what follows from it:
// one place to read, whatever came first. The rules:
//
//  1. Waiters are served in order of arrival. A shared request never overtakes a queued exclusive one.
//  2. There is a tenure (the kernel granted), or a wait (the kernel was asked), or neither; never both.
//  3. The wait is in the mode of the first waiter. If that changes, the old wait is dropped.
//  4. Every grant, a hand-over included, checks that the waiter's own path still names the locked file. If not, the
//     waiters ask again, with their deadlines and their order kept.
//  5. A tenure that may not be handed over is ended, and the next request goes to the end of the kernel's queue
//     without a fresh try: processes that wait there come first.
//  6. A queue without waiters and holds is closed: the kernel keeps nothing for it.
import { publishFallback } from '../events.js'
import type { LostReason } from '../errors.js'
import type { Clock } from '../kernel/clock.js'
import type { ClaimAnswer, How, Kernel, Lease, Mode } from '../kernel/kernel.js'
import type { Request } from '../options.js'
import { prepareRecord } from '../record-page.js'
import type { Settling } from './arrival.js'
import { HoldState, type Holding } from './hold-state.js'
import { LinkedList } from './linked-list.js'
import { Polling } from './polling.js'
import { systemError } from './system-error.js'
import { Tenure } from './tenure.js'
import { timeoutError } from './timeout-error.js'
import type { Turn } from './turn.js'
import type { Line, Waiter } from './waiter.js'

/** What queues have in common: which is for which path and lease. */
export interface Registry {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly turn: Turn
  readonly holds: LinkedList<HoldState>
  /** Several paths may be names of one file. */
  readonly queuesByPath: Map<string, FileQueue>
  readonly waits: Map<Lease, Settling>
  /** Queues that go on although a path of theirs names another file now. */
  readonly detachedQueues: Set<FileQueue>
  queueFor(path: string): FileQueue
  queueOf(lease: Lease): FileQueue
}

interface Wait {
  readonly lease: Lease
  readonly mode: Mode
  settled: boolean
}

export class FileQueue implements Line, Holding, Settling {
  private readonly registry: Registry
  private readonly kernel: Kernel
  private readonly path: string
  /** Other names of the same file that were met. */
  private aliases: Set<string> | null = null
  private readonly waiters = new LinkedList<Waiter>()
  private holds = 0
  private tenure: Tenure | null = null
  private wait: Wait | null = null
  private polling: Polling | null = null
  private nextRequest: How = 'try-then-wait'

  /** From now on requests for this path text come here. */
  constructor(registry: Registry, path: string) {
    this.registry = registry
    this.kernel = registry.kernel
    this.path = path
    registry.queuesByPath.set(path, this)
  }

  enqueue(waiter: Waiter): void {
    waiter.line = this
    this.waiters.add(waiter)
    this.advance()
  }

  /** Whether this lease, held or waited for, is this queue's. */
  has(lease: Lease): boolean {
    return this.tenure?.lease === lease || this.wait?.lease === lease
  }

  /** One try that never queues: null when somebody else holds the lock or comes first. */
  tryNow(request: Request): HoldState | null {
    if (this.waiters.first !== null) return null
    if (this.tenure === null) return this.tryKernel(request)
    if (this.tenure.mode === 'exclusive' || request.mode === 'exclusive') return null
    if (this.kernel.names(this.tenure.lease, request.file.lockfile)) return this.hold(this.tenure, request)
    this.detach(request.file.lockfile)
    return this.registry.queueFor(request.file.lockfile).tryNow(request)
  }

  /** The kernel says that a wait of this queue has ended. */
  settled(lease: Lease): void {
    if (this.wait?.lease !== lease) return
    this.wait.settled = true
    this.advance()
  }

  expired(waiter: Waiter): void {
    if (waiter === this.waiters.first && this.lastChance(waiter)) {
      this.advance()
      return
    }
    const place = [...this.waiters].indexOf(waiter) + 1
    this.remove(waiter, timeoutError(this.kernel, waiter.request, waiter.waited, place, this.someHold()))
  }

  aborted(waiter: Waiter): void {
    this.remove(waiter, waiter.request.signal?.reason)
  }

  leave(hold: HoldState, reason: LostReason | null): void {
    this.holds--
    this.registry.holds.delete(hold)
    this.tenure?.left(hold, reason)
    this.advance()
  }

  stillNamed(hold: HoldState): boolean {
    if (this.tenure === null) return false
    try {
      return this.kernel.names(this.tenure.lease, hold.file.lockfile)
    } catch (error) {
      throw systemError(error, hold.file)
    }
  }

  advance(): void {
    for (let first = this.waiters.first; first !== null; first = this.waiters.first) {
      if (!this.registry.turn.mayGrant(this)) return
      try {
        first.request.signal?.throwIfAborted()
        if (!this.serve(first)) return
      } catch (error) {
        this.waiters.delete(first)
        first.refuse(systemError(error, first.request.file))
      }
    }
    if (this.holds === 0) this.close()
  }

  /** One step for the first waiter. False when nothing more can be done until something happens. */
  private serve(first: Waiter): boolean {
    if (this.tenure === null) return this.seek(first)
    if (this.holds > 0) return this.join(this.tenure, first)
    return this.takeOver(this.tenure, first)
  }

  private seek(first: Waiter): boolean {
    if (this.polling?.pausing === true) return false
    if (this.wait !== null && this.wait.mode === first.request.mode) {
      return this.wait.settled && this.claim(this.wait, first)
    }
    this.dropWait()
    const how = this.nextRequest
    this.nextRequest = 'try-then-wait'
    const { file, mode } = first.request
    const answer = this.kernel.request(file, mode, how)
    switch (answer.kind) {
      case 'granted':
        this.begin(answer.lease, mode, first)
        return true
      case 'waiting':
        this.stopPolling()
        this.wait = { lease: answer.lease, mode, settled: false }
        this.registry.waits.set(answer.lease, this)
        if (first.request.record) prepareRecord(first.request.label)
        return false
      case 'known':
        this.joinQueueOf(answer.lease)
        return false
      default:
        this.poll(first)
        return false
    }
  }

  /** False when the kernel has not granted it yet. */
  private claim(wait: Wait, first: Waiter): boolean {
    let answer: ClaimAnswer | undefined
    try {
      answer = this.kernel.claim(wait.lease, first.request.file.lockfile)
    } finally {
      if (answer?.kind !== 'waiting') this.forgetWait(wait)
    }
    if (answer.kind === 'granted') this.begin(answer.lease, wait.mode, first)
    if (answer.kind === 'known') this.joinQueueOf(answer.lease)
    return answer.kind !== 'waiting'
  }

  private join(tenure: Tenure, first: Waiter): boolean {
    if (tenure.mode === 'exclusive' || first.request.mode === 'exclusive') return false
    const { lockfile } = first.request.file
    if (this.kernel.names(tenure.lease, lockfile)) {
      this.grant(tenure, first)
    } else {
      this.waiters.delete(first)
      this.detach(lockfile)
      this.registry.queueFor(lockfile).enqueue(first)
    }
    return true
  }

  /** The tenure is free for the next waiter: it takes over, or everybody queues again. */
  private takeOver(tenure: Tenure, first: Waiter): boolean {
    if (!tenure.mayHandOver(first.request.mode)) {
      this.endTenure()
      this.nextRequest = 'wait'
    } else if (this.kernel.names(tenure.lease, first.request.file.lockfile)) {
      tenure.handedOver()
      this.grant(tenure, first)
    } else {
      this.endTenure()
    }
    return true
  }

  /** At its deadline: what was granted is taken, and if nothing was, there is one last try. */
  private lastChance(first: Waiter): boolean {
    try {
      if (this.holds > 0) return false
      // Rule 3 may be behind: advance() is put off while the event loop is owed a turn.
      if (this.wait !== null && this.wait.mode !== first.request.mode) this.dropWait()
      if (this.tenure !== null) this.takeOver(this.tenure, first)
      else if (this.wait !== null) this.claim(this.wait, first)
      if (this.waiters.first !== first) return true
      const answer = this.kernel.request(first.request.file, first.request.mode, 'last-try')
      // Busy may mean that our own wait was granted just now.
      if (answer.kind !== 'granted')
        return this.wait !== null && this.claim(this.wait, first) && this.waiters.first !== first
      this.begin(answer.lease, first.request.mode, first)
      this.dropWait()
    } catch (error) {
      this.waiters.delete(first)
      first.refuse(systemError(error, first.request.file))
    }
    return true
  }

  private tryKernel(request: Request): HoldState | null {
    try {
      const answer = this.kernel.request(request.file, request.mode, 'try')
      if (answer.kind === 'granted') return this.hold(this.beginTenure(answer.lease, request.mode), request)
      if (answer.kind === 'known') return this.registry.queueOf(answer.lease).tryNow(request)
      return null
    } finally {
      if (this.holds === 0) this.close()
    }
  }

  private begin(lease: Lease, mode: Mode, first: Waiter): void {
    this.grant(this.beginTenure(lease, mode), first)
  }

  private beginTenure(lease: Lease, mode: Mode): Tenure {
    this.stopPolling()
    this.tenure = new Tenure(this.kernel, this.registry.clock, lease, mode)
    return this.tenure
  }

  private endTenure(): void {
    if (this.tenure === null) return
    const { tenure } = this
    this.tenure = null
    tenure.end()
  }

  private grant(tenure: Tenure, first: Waiter): void {
    this.waiters.delete(first)
    this.registry.turn.granted()
    first.grant(this.hold(tenure, first.request))
  }

  private hold(tenure: Tenure, request: Request): HoldState {
    const since = this.registry.clock.wallTime()
    const hold = new HoldState(this, request, since, tenure.enter(request, since))
    this.holds++
    this.registry.holds.add(hold)
    return hold
  }

  private someHold(): HoldState | undefined {
    for (const hold of this.registry.holds) if (hold.isIn(this)) return hold
    return undefined
  }

  private remove(waiter: Waiter, error: unknown): void {
    this.waiters.delete(waiter)
    waiter.refuse(error)
    this.advance()
  }

  /** This path turned out to be another name of a file that has a queue: everybody goes there. */
  private joinQueueOf(lease: Lease): void {
    const other = this.registry.queueOf(lease)
    const moving = [...this.waiters]
    for (const waiter of moving) this.waiters.delete(waiter)
    for (const path of [this.path, ...(this.aliases ?? [])]) {
      if (this.registry.queuesByPath.get(path) === this) other.addAlias(path)
    }
    this.registry.detachedQueues.delete(this)
    // By their paths: the other queue may have served the one before and be closed.
    for (const waiter of moving) this.registry.queueFor(waiter.request.file.lockfile).enqueue(waiter)
  }

  private poll(first: Waiter): void {
    if (this.polling === null) {
      this.polling = new Polling(this.registry.clock)
      const reason = 'there is no thread to wait on, so the lock is tried again every 1 to 50 ms'
      publishFallback({ kind: 'thread', lockfile: first.request.file.lockfile, reason })
    }
    this.polling.schedule(() => this.advance())
  }

  private stopPolling(): void {
    this.polling?.cancel()
    this.polling = null
  }

  private dropWait(): void {
    if (this.wait === null) return
    const { lease } = this.wait
    this.forgetWait(this.wait)
    this.kernel.drop(lease)
  }

  private forgetWait(wait: Wait): void {
    this.registry.waits.delete(wait.lease)
    this.wait = null
  }

  private addAlias(path: string): void {
    this.aliases ??= new Set()
    this.aliases.add(path)
    this.registry.queuesByPath.set(path, this)
  }

  /** The holds stay, but this path names another file now. */
  private detach(path: string): void {
    this.forget(path)
    this.registry.detachedQueues.add(this)
  }

  /** Requests for this path text do not come here any more. */
  private forget(path: string): void {
    if (this.registry.queuesByPath.get(path) === this) this.registry.queuesByPath.delete(path)
  }

  private close(): void {
    this.endTenure()
    this.dropWait()
    this.stopPolling()
    this.forget(this.path)
    for (const path of this.aliases ?? []) this.forget(path)
    this.registry.detachedQueues.delete(this)
  }
}
