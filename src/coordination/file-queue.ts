// Who goes next on one lock file in this thread.
//
// Everything that happens changes the state below and then calls advance(), which alone decides what follows from it:
// one place to read, whatever came first. The rules:
//
//  1. Waiters are served in order of arrival. A shared request never overtakes a queued exclusive one. Only the owner of a
//     hold enters at once, whoever waits.
//  2. There is a tenure (the kernel granted), or a wait (the kernel was asked), or neither; never both.
//  3. The wait is in the mode of the first waiter. If that changes, the old wait is dropped.
//  4. Every grant, a hand-over included, checks that the waiter's own path still names the locked file. If not, the
//     waiters ask again, with their deadlines and their order kept.
//  5. A tenure that may not be handed over is ended, and the next request goes to the end of the kernel's queue
//     without a fresh try: processes that wait there come first.
//  6. A queue without waiters and holds is closed: the kernel keeps nothing for it.
//  7. The kernel may end a limited tenure by itself. So whoever enters one first makes sure that it lasts for him.
import { held, publishFallback } from '../channels.js'
import type { LostReason } from '../errors.js'
import type { Clock } from '../kernel/clock.js'
import type { Claim } from '../kernel/data-files.js'
import type { ClaimAnswer, How, Kernel, Lease, Mode } from '../kernel/kernel.js'
import type { Request } from '../options.js'
import { prepareRecord } from '../record-page.js'
import type { Settling } from './arrival.js'
import { refuse, refuseDeadlock, step } from './deadlock.js'
import type { Deadlines } from './deadlines.js'
import { tellBeginning } from './hold-events.js'
import type { HoldState, Holding } from './hold-state.js'
import { KernelWait } from './kernel-wait.js'
import { LinkedList } from './linked-list.js'
import type { Blocker } from './owner-state.js'
import { Polling } from './polling.js'
import { systemError } from './system-error.js'
import { signature, Tenure } from './tenure.js'
import { timeoutError } from './timeout-error.js'
import type { Deferred, Turn } from './turn.js'
import { refuseIfUnwanted, type Line, type Waiter } from './waiter.js'

/** What queues have in common: which is for which path and lease. */
export interface Registry {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly turn: Turn
  readonly deadlines: Deadlines
  /** Several paths may be names of one file. */
  readonly queuesByPath: Map<string, FileQueue>
  readonly waits: Map<Lease, Settling>
  /** Queues that go on although a path of theirs names another file now. */
  readonly detachedQueues: Set<FileQueue>
  queueFor(path: string): FileQueue
  queueOf(lease: Lease): FileQueue
}

/** No lease has that number: what is done under it is lost. */
const NOTHING: Claim = { lease: -1, ends: false, ending: null, prefix: 0 }

export class FileQueue implements Line, Holding, Settling {
  private readonly registry: Registry
  private readonly kernel: Kernel
  private readonly path: string
  /** Other names of the same file that were met. */
  private aliases: Set<string> | null = null
  private readonly waiters = new LinkedList<Waiter>()
  private tenure: Tenure | null = null
  private wait: KernelWait | null = null
  private polling: Polling | null = null
  private nextRequest: How = 'try-then-wait'

  /** From now on requests for this path text come here. */
  constructor(registry: Registry, path: string) {
    this.registry = registry
    this.kernel = registry.kernel
    this.path = path
    registry.queuesByPath.set(path, this)
  }

  get clock(): Clock {
    return this.registry.clock
  }

  get deadlines(): Deadlines {
    return this.registry.deadlines
  }

  get queued(): number {
    return this.waiters.size
  }

  /** Only some engines can lose a lock. */
  get alive(): boolean {
    return this.kernel.alive === undefined || this.tenure === null || this.kernel.alive(this.tenure.lease)
  }

  /** Those that keep the lock. */
  get holds(): Iterable<HoldState> {
    return this.tenure?.holds ?? []
  }

  enqueue(waiter: Waiter): void {
    waiter.line = this
    try {
      if (this.reenter(waiter)) return
      this.waiters.add(waiter)
      refuseDeadlock(waiter, this.queued - 1)
    } catch (error) {
      this.remove(waiter, systemError(error, waiter.request.file))
      return
    }
    this.wait?.joined(waiter)
    this.advance()
  }

  /** Whether this lease, held or waited for, is this queue's. */
  has(lease: Lease): boolean {
    return this.tenure?.lease === lease || this.wait?.lease === lease
  }

  /** One try that never queues: null when somebody else holds the lock or comes first. */
  tryNow(request: Request): HoldState | null {
    try {
      refuseIfUnwanted(request) // a listener of a hold that ended on the way here may have seen to that
    } catch (error) {
      if (this.waiters.first === null && this.tenure?.isFree !== false) this.close() // it may have been made for this one
      throw error
    }
    const { tenure } = this
    if (tenure === null) return this.waiters.first === null ? this.tryKernel(request) : null
    if (!this.mayReenter(tenure, request)) {
      if (this.waiters.first !== null || tenure.mode === 'exclusive' || request.mode === 'exclusive') return null
    }
    const standing = this.standing(tenure, request)
    if (standing === 'here') return this.hold(tenure, request, null)
    if (standing === 'elsewhere') this.detach(request.file.lockfile)
    else if (!tenure.lapse()) return null
    return this.registry.queueFor(request.file.lockfile).tryNow(request)
  }

  /** Throws where the request's own owner holds the lock shared, and it would have it exclusively. */
  refuseUpgrade(request: Request): void {
    const { tenure } = this
    if (tenure?.mode !== 'shared' || request.mode === 'shared' || request.owner === null) return
    if (tenure.isHeldBy(request.owner)) refuse(request, [step({ request })], this.queued)
  }

  /** The kernel says that a wait of this queue has ended. */
  settled(lease: Lease): void {
    if (this.wait?.lease !== lease) return
    this.wait.settled = true
    this.advance()
  }

  /** The engine has lost the lease that this queue holds. */
  lost(cause: unknown): void {
    for (const hold of [...this.holds]) hold.end('connection', cause)
  }

  expired(waiter: Waiter): void {
    this.expireHolds()
    if (waiter.line === this && waiter === this.waiters.first && this.lastChance(waiter)) this.advance()
    if (waiter.over) return
    if (waiter.line !== this) {
      waiter.line.expired(waiter) // its file turned out to have another line
      return
    }
    const place = [...this.waiters].indexOf(waiter) + 1
    this.remove(waiter, timeoutError(this.kernel, waiter.request, waiter.waited, place, this.someHold()))
  }

  cancelled(waiter: Waiter, error: unknown): void {
    this.remove(waiter, error)
  }

  /** Those ahead that exclude it, and those ahead that exclude one of these; all holds, if anything excludes them. */
  blockersOf(waiter: Waiter): Blocker[] {
    if (this.tenure !== null && this.mayReenter(this.tenure, waiter.request)) return [] // it enters in the next turn
    const blockers: Blocker[] = []
    let exclusive = waiter.request.mode === 'exclusive'
    for (const earlier of this.waiters.before(waiter)) {
      exclusive ||= earlier.request.mode === 'exclusive'
      if (exclusive) blockers.push({ owner: earlier.request.owner, wait: earlier })
    }
    if (exclusive || this.tenure?.mode === 'exclusive') {
      for (const hold of this.holds)
        if (hold.blocks(waiter.request)) blockers.push({ owner: hold.knownOwner, wait: null })
    }
    return blockers
  }

  leave(hold: HoldState, reason: LostReason | null): void {
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

  enterGuard(): boolean {
    return this.tenure !== null && this.kernel.enterGuard(this.tenure.lease)
  }

  exitGuard(): void {
    if (this.tenure !== null) this.kernel.exitGuard(this.tenure.lease)
  }

  takeTurn(): Promise<void> | null {
    return this.tenure?.takeTurn() ?? null
  }

  giveTurn(): void {
    this.tenure?.giveTurn()
  }

  lend(hold: HoldState, last: boolean): Claim {
    return this.tenure?.lend(hold, last) ?? NOTHING
  }

  limit(hold: HoldState, before: number): boolean {
    return this.tenure?.relimit(hold, before) ?? false
  }

  /** Ends what is past its deadline, for the timers of a blocked event loop are late. May close this queue. */
  expireHolds(): void {
    this.tenure?.expire()
  }

  advance(): void {
    for (let first = this.waiters.first; first !== null; first = this.waiters.first) {
      if (!this.registry.turn.mayGrant(this)) return
      try {
        refuseIfUnwanted(first.request)
        if (!this.serve(first)) return
      } catch (error) {
        this.waiters.delete(first)
        first.refuse(systemError(error, first.request.file))
        this.wait?.limitAnew() // it may have been the one that waits longest
      }
    }
    if (this.tenure?.isFree !== false) this.close()
  }

  /** One step for the first waiter. False when nothing more can be done until something happens. */
  private serve(first: Waiter): boolean {
    if (this.tenure === null) return this.seek(first)
    if (!this.tenure.isFree) return this.join(this.tenure, first)
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
        this.wait = new KernelWait(this.kernel, this.clock, this.waiters, answer.lease, mode)
        this.registry.waits.set(answer.lease, this)
        if (first.request.record) prepareRecord(signature(first.request))
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
  private claim(wait: KernelWait, first: Waiter): boolean {
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
    const standing = this.standing(tenure, first.request)
    if (standing === 'over') return tenure.lapse()
    if (standing === 'here') this.grant(tenure, first)
    else this.leaveFor(first)
    return true
  }

  /** The hold of its owner lets it in at once. False when there is none. */
  private reenter(waiter: Waiter): boolean {
    const { tenure } = this
    if (tenure === null || !this.mayReenter(tenure, waiter.request)) return false
    if (!this.registry.turn.mayGrant(this.togetherLater(waiter.request))) {
      this.waiters.add(waiter)
      return true
    }
    const standing = this.standing(tenure, waiter.request)
    if (standing === 'here') {
      this.grant(tenure, waiter)
    } else if (standing === 'elsewhere') {
      this.leaveFor(waiter)
    } else {
      tenure.lapse()
      this.registry.queueFor(waiter.request.file.lockfile).enqueue(waiter)
    }
    return true
  }

  private mayReenter(tenure: Tenure, { owner, mode }: Request): boolean {
    if (owner === null || (tenure.mode === 'shared' && mode === 'exclusive')) return false
    return tenure.isHeldBy(owner)
  }

  /** Whether a tenure is the lock of this request's path, that path names another file now, or the tenure is past its limit. */
  private standing(tenure: Tenure, request: Request): 'here' | 'elsewhere' | 'over' {
    if (this.kernel.names(tenure.lease, request.file.lockfile)) return tenure.outlasts(request) ? 'here' : 'over'
    // A lease that the kernel has ended at its limit has no name any more. An open guard would have kept it.
    return tenure.past && tenure.lapse() ? 'over' : 'elsewhere'
  }

  /** Its path names another file now. */
  private leaveFor(waiter: Waiter): void {
    const { lockfile } = waiter.request.file
    this.waiters.delete(waiter)
    this.detach(lockfile)
    this.registry.queueFor(lockfile).enqueue(waiter)
  }

  /** The tenure is free for the next waiter: it takes over, or everybody queues again. */
  private takeOver(tenure: Tenure, first: Waiter): boolean {
    if (!tenure.mayHandOver(first.request.mode)) {
      this.endTenure()
      this.nextRequest = 'wait'
    } else if (this.standing(tenure, first.request) === 'here') {
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
      if (this.tenure?.isFree === false) return false
      // Rule 3 may be behind: advance() is put off while the event loop is owed a turn.
      if (this.wait !== null && this.wait.mode !== first.request.mode) this.dropWait()
      if (this.tenure !== null) this.takeOver(this.tenure, first)
      else if (this.wait !== null) this.claim(this.wait, first)
      if (this.waiters.first !== first) return true
      const answer = this.kernel.request(first.request.file, first.request.mode, 'last-try')
      // Busy may mean that our own wait was granted just now.
      if (answer.kind !== 'granted')
        return this.wait !== null && this.claim(this.wait, first) && this.waiters.first !== first
      this.dropWait()
      this.begin(answer.lease, first.request.mode, first)
    } catch (error) {
      this.waiters.delete(first)
      first.refuse(systemError(error, first.request.file))
    }
    return true
  }

  private tryKernel(request: Request): HoldState | null {
    try {
      const answer = this.kernel.request(request.file, request.mode, 'try')
      if (answer.kind === 'granted') return this.hold(this.beginTenure(answer.lease, request.mode), request, null)
      if (answer.kind === 'known') return this.registry.queueOf(answer.lease).tryNow(request)
      return null
    } finally {
      if (this.tenure?.isFree !== false) this.close()
    }
  }

  private begin(lease: Lease, mode: Mode, first: Waiter): void {
    this.grant(this.beginTenure(lease, mode), first)
  }

  private beginTenure(lease: Lease, mode: Mode): Tenure {
    this.stopPolling()
    this.tenure = new Tenure(this.kernel, this, lease, mode)
    return this.tenure
  }

  private endTenure(): void {
    if (this.tenure === null) return
    const { tenure } = this
    this.tenure = null
    tenure.end()
  }

  private grant(tenure: Tenure, waiter: Waiter): void {
    this.waiters.delete(waiter)
    this.registry.turn.granted()
    waiter.grant(this.hold(tenure, waiter.request, waiter.started))
    this.grantTogether(waiter.request)
  }

  /** What else the new holder's owner waits for here enters too, or never can. */
  private grantTogether(request: Request): void {
    const { owner } = request
    if (owner === null || owner.waits.size === 0) return
    for (const other of [...this.waiters].filter((waiter) => waiter.request.owner === owner)) {
      if (other.list !== this.waiters) continue // answered meanwhile, or in the line of another file
      if (this.tenure?.isHeldBy(owner) !== true) return // the others keep their places
      if (!this.registry.turn.mayGrant(this.togetherLater(request))) return
      this.waiters.delete(other)
      this.enqueue(other)
    }
  }

  private togetherLater(request: Request): Deferred {
    return { advance: () => this.grantTogether(request) }
  }

  private hold(tenure: Tenure, request: Request, started: number | null): HoldState {
    const reentered = held.wanted && request.owner !== null && tenure.isHeldBy(request.owner)
    const hold = tenure.enter(request)
    tellBeginning(hold, started === null ? 0 : hold.begun - started, reentered)
    return hold
  }

  someHold(): HoldState | undefined {
    return this.tenure?.holds.first ?? undefined
  }

  private remove(waiter: Waiter, error: unknown): void {
    const queued = waiter.list === this.waiters
    this.waiters.delete(waiter)
    waiter.refuse(error)
    if (queued) this.wait?.limitAnew()
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

  private forgetWait(wait: KernelWait): void {
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
