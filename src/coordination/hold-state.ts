// What is known of one hold. The handle a caller gets (hold.ts) is a face of this and nothing here refers to it, but for
// as long as a guard is open, or for ever where the caller asked for it: so a handle that nobody can reach any more can be
// noticed.
//
// A hold is open, then ending, then ended. Every ending makes it ending; it keeps its lock until its last open guard has
// ended, and is ended then, at once if none is open. Not held any more it is from the ending on, or past its deadline,
// whichever comes first.
import { LockLostError, type LostReason } from '../errors.js'
import type { HoldInfo } from '../hold-info.js'
import type { Clock, Timer } from '../kernel/clock.js'
import type { Claim } from '../kernel/data-files.js'
import type { LockTarget, Mode } from '../kernel/kernel.js'
import type { LockRecord } from '../record.js'
import type { Request } from '../options.js'
import type { Deadlines, Mortal } from './deadlines.js'
import { ownerLabel, tellEnd, tellLeak, tellOverrun, type Told } from './hold-events.js'
import type { Linked } from './linked-list.js'
import { OwnerState, type OwnedHold } from './owner-state.js'

/** Where a hold lives: what its end, its guards, its deadline and the check of its lock file are asked of. */
export interface Holding {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** How many wait for the lock in this thread. */
  readonly queued: number
  /** False when the engine may have lost the lock. */
  readonly alive: boolean
  /** It needs the lock no more; `reason` is null when it was released. */
  leave(hold: HoldState, reason: LostReason | null): void
  /** Whether the path of the hold still names the locked file. */
  stillNamed(hold: HoldState): boolean
  /** False when the kernel has ended the hold at its deadline. */
  enterGuard(): boolean
  exitGuard(): void
  /** Changes under one lock come one after another; null: at once. */
  takeTurn(): Promise<void> | null
  giveTurn(): void
  /** For a change that is made under the hold, and is the last thing that needs it if it may be. */
  lend(hold: HoldState, last: boolean): Claim
  /** Its deadline has changed from `before`. False when the kernel has ended it at the old one. */
  limit(hold: HoldState, before: number): boolean
}

/** The first report of an overdue guard comes after so long if the hold was released, at once if it was revoked. */
const FIRST_OVERRUN = 1000
const LONGEST_OVERRUN = 60_000

type Phase = 'open' | 'ending' | 'ended'

export class HoldState implements Linked<HoldState>, Mortal, OwnedHold, Told {
  list: object | null = null
  next: HoldState | null = null
  previous: HoldState | null = null
  readonly request: Request
  /** Wall time, in milliseconds since 1970. */
  readonly since: number
  readonly fence: number | null
  readonly recoveredFrom: LockRecord | null
  /** By the clock. */
  readonly begun: number
  /** By the clock: it is not held from then on. */
  deadline: number
  /** The handle, while it must not be collected. */
  handle: object | null = null
  /** Its end is no event of the lock's history: nobody was given it. */
  undone = false

  private readonly holding: Holding
  private phase: Phase = 'open'
  private reason: LostReason | null = null
  private lost: LockLostError | null = null
  private guards = 0
  private afterGuards: (() => void)[] | null = null
  private timer: Timer | null = null
  private controller: AbortController | null = null
  private owned: OwnerState | null

  constructor(
    holding: Holding,
    request: Request,
    begun: number,
    since: number,
    entry: { fence: number | null; recoveredFrom: LockRecord | null },
  ) {
    this.holding = holding
    this.request = request
    this.begun = begun
    this.since = since
    this.fence = entry.fence
    this.recoveredFrom = entry.recoveredFrom
    this.deadline = begun + request.maxHold
    this.owned = request.owner
    this.owned?.addHold(this)
    if (this.deadline !== Infinity) holding.deadlines.add(this)
  }

  get file(): LockTarget {
    return this.request.file
  }

  get mode(): Mode {
    return this.request.mode
  }

  get held(): boolean {
    return this.phase === 'open' && !this.overdue && this.holding.alive
  }

  /** Past its deadline, ended or not. */
  get overdue(): boolean {
    return this.deadline !== Infinity && this.holding.clock.now() >= this.deadline
  }

  /** Nothing is left for its deadline to end. */
  get over(): boolean {
    return this.phase !== 'open' || this.deadline === Infinity
  }

  /** Not ended, though its deadline may have passed. */
  get open(): boolean {
    return this.phase === 'open'
  }

  get queued(): number {
    return this.holding.queued
  }

  get heldFor(): number {
    return this.holding.clock.now() - this.begun
  }

  /** Milliseconds from its beginning to its deadline. */
  get lasts(): number {
    return this.deadline - this.begun
  }

  /** The owner that was named, or one of its own, made when somebody asks. */
  get owner(): OwnerState {
    if (this.owned === null) {
      this.owned = new OwnerState('')
      if (this.phase === 'open') this.owned.addHold(this)
    }
    return this.owned
  }

  /** The same, null where nobody asked. */
  get knownOwner(): OwnerState | null {
    return this.owned
  }

  get info(): HoldInfo {
    const { file, mode, label } = this.request
    return {
      path: file.target,
      lockfile: file.lockfile,
      mode,
      owner: ownerLabel(this.owned),
      label,
      since: new Date(this.since),
      fence: this.fence,
      remaining: this.deadline === Infinity ? null : Math.max(0, this.deadline - this.holding.clock.now()),
      acquiredAt: this.request.acquiredAt?.text ?? null,
    }
  }

  /** Made when first asked for: it costs as much as the lock. */
  get signal(): AbortSignal {
    this.expire()
    this.controller ??= new AbortController()
    if (this.lost !== null) this.controller.abort(this.lost)
    return this.controller.signal
  }

  /** The error of a hold that ended other than by its release; null otherwise. */
  get lostBy(): LockLostError | null {
    this.expire()
    return this.lost
  }

  /**
   * Whether a request must wait until somebody ends this hold or leaves its guards. Past its deadline it ends by itself; and
   * that its owner waits for its own guard is no circle, for the guard may end without it.
   */
  blocks({ owner }: Request): boolean {
    return this.held || (this.guards > 0 && owner !== this.owned)
  }

  /**
   * Ends the hold once; later calls do nothing. False when it had ended already. Past its deadline a hold was lost then, and
   * so it was when its engine could not be sure of it any more, whatever ends it now.
   */
  end(reason: LostReason | null, cause?: unknown): boolean {
    if (this.phase !== 'open') return false
    const before = this.lapsed
    const why = before === null || before === reason ? cause : undefined
    this.phase = 'ending'
    this.reason = before ?? reason
    this.timer?.cancel()
    if (this.reason !== null) this.lost = this.lostError(this.reason, why)
    tellEnd(this, this.reason, why, this.guards)
    // The lock first: listeners may run for long, or throw.
    if (this.guards === 0) this.leave()
    else this.reportOverrun(this.reason === null ? FIRST_OVERRUN : 0, FIRST_OVERRUN)
    if (this.lost !== null) this.controller?.abort(this.lost)
    return before === null || before === reason
  }

  /** Releases a hold that nobody was given: whom it recovered from, the next one is told. */
  undo(): void {
    this.undone = true
    this.end(null)
  }

  /** Ends it if its deadline has passed, or its engine is not sure of it any more. */
  expire(): void {
    if (this.phase !== 'open') return
    const { lapsed } = this
    if (lapsed !== null) this.end(lapsed)
  }

  /** How it was lost already though nothing has ended it yet; null where it lasts. */
  private get lapsed(): 'max-hold' | 'connection' | null {
    if (this.overdue) return 'max-hold'
    return this.holding.alive ? null : 'connection'
  }

  assertHeld(): void {
    this.expire()
    if (this.phase === 'open' && !this.holding.stillNamed(this)) this.end('replaced')
    this.expire() // a distant filesystem may have taken its time
    if (this.phase !== 'open') throw this.lost ?? this.lostError('released')
  }

  /** The deadline is `milliseconds` from now. */
  extend(milliseconds: number): void {
    this.refuseUnlessHeld()
    const before = this.deadline
    this.deadline = this.holding.clock.now() + milliseconds
    if (!this.holding.limit(this, before)) {
      this.deadline = before // which the kernel knew to have passed
      this.end('max-hold')
      this.refuseUnlessHeld()
    }
    this.timer?.cancel()
    this.timer = null
    if (this.deadline !== Infinity) this.holding.deadlines.add(this)
  }

  /** Until the guard is left, no ending frees the lock. Throws unless held, in one step with the kernel's own check. */
  enterGuard(handle: object): void {
    this.refuseUnlessHeld()
    if (!this.holding.enterGuard()) {
      this.end('max-hold')
      throw this.lost ?? this.lostError('max-hold')
    }
    this.guards++
    this.handle = handle
  }

  exitGuard(): void {
    this.holding.exitGuard()
    this.leaveGuard()
  }

  /**
   * Until endUse(), no ending hands the lock on: changes are made under it, each of which enters the kernel's own guard by
   * itself, from another thread. Throws unless held. Answers with what must be waited for, where another hold of the same
   * owner makes changes.
   */
  beginUse(handle: object): Promise<void> | null {
    this.refuseUnlessHeld()
    this.guards++
    this.handle = handle
    return this.holding.takeTurn()
  }

  /** The error for work that found the lock gone. */
  lossOf(): LockLostError {
    this.expire()
    return this.lost ?? this.lostError('max-hold')
  }

  /** The lease, for a change; it ends with the `last` one, unless somebody else may need it. */
  claim(last: boolean): Claim {
    return this.holding.lend(this, last)
  }

  endUse(): void {
    this.holding.giveTurn()
    this.leaveGuard()
  }

  private leaveGuard(): void {
    this.guards--
    if (this.guards > 0) return
    if (!this.request.keep) this.handle = null
    this.expire()
    if (this.phase === 'ending') this.leave()
  }

  guardsEnded(): Promise<void> {
    if (this.guards === 0) return Promise.resolve()
    return new Promise((resolve) => (this.afterGuards ??= []).push(resolve))
  }

  /** The event loop has had a turn: a hold that lasts so long gets a timer. The watchdog has the same deadline. */
  armTimer(): void {
    this.timer?.cancel()
    this.timer = this.holding.clock.background(this.deadline - this.holding.clock.now(), () => this.expire())
  }

  /** Nobody can reach the handle any more. */
  collected(): void {
    if (this.phase !== 'open') return
    if (this.end('collected')) tellLeak(this)
  }

  private leave(): void {
    this.phase = 'ended'
    this.handle = null
    this.timer?.cancel()
    this.owned?.deleteHold(this)
    const after = this.afterGuards
    this.holding.leave(this, this.reason)
    for (const resolve of after ?? []) resolve()
  }

  /** After `pause`, and then again and again, more and more seldom. */
  private reportOverrun(pause: number, next: number, since = this.holding.clock.now()): void {
    this.timer = this.holding.clock.background(pause, () => {
      tellOverrun(this, this.reason ?? 'released', this.guards, this.holding.clock.now() - since)
      this.reportOverrun(next, Math.min(next * 2, LONGEST_OVERRUN), since)
    })
  }

  private refuseUnlessHeld(): void {
    this.expire()
    if (this.phase !== 'open') throw this.lost ?? this.lostError('released')
  }

  private lostError(reason: LostReason, cause?: unknown): LockLostError {
    const details = { path: this.file.target, lockfile: this.file.lockfile }
    return new LockLostError(reason, cause === undefined ? details : { ...details, cause })
  }
}
