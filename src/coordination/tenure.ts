// The time between one kernel grant and its unlock. Several holds may pass through it: exclusive ones one after another
// by hand-over, shared ones side by side, those of one owner inside each other. It keeps what they have in common: the
// lease, its limit in time, the record, the fences.
import { publishFallback } from '../channels.js'
import type { LostReason } from '../errors.js'
import type { Claim } from '../kernel/data-files.js'
import type { FenceRange, Kernel, Lease, Mode } from '../kernel/kernel.js'
import type { Request } from '../options.js'
import {
  composeRecord,
  ending,
  lastHold,
  page,
  recordAgain,
  RECORD_PREFIX,
  revokedRecord,
  UNREADABLE,
  type LastHold,
  type Signature,
} from '../record-page.js'
import type { LockRecord } from '../record.js'
import { FenceBlock } from './fences.js'
import { ownerLabel } from './hold-events.js'
import { HoldState, type Holding } from './hold-state.js'
import { LinkedList } from './linked-list.js'
import type { OwnerState } from './owner-state.js'

/** Hand-overs of one tenure while others may be waiting in the kernel's queue, and for how long they may go on. */
const MOST_HAND_OVERS = 8
const LONGEST_HANDING_OVER = 100
/** A tenure this young delays nobody noticeably, however often it is handed over. */
const YOUNG = 2

export class Tenure {
  readonly lease: Lease
  readonly mode: Mode
  /** Those that need the lock: they are held, or a guard of them is open. */
  readonly holds = new LinkedList<HoldState>()
  private readonly kernel: Kernel
  private readonly holding: Holding
  private readonly begun: number
  private handOvers = 0
  /** When the kernel will end the lease, by the clock. */
  private limited = Infinity
  /** The ending that the kernel would stamp at the limit; undefined is none. */
  private endingAtLimit: LostReason | null | undefined
  /** It was told that nothing but the event loop ends it. */
  private unwatched = false
  private turnTaken = false
  private readonly turns: (() => void)[] = []
  /** A change may have ended the lease. */
  private spent = false
  /** Holds without a deadline. */
  private unlimited = 0
  /** The previous record was looked at; only a hold with a record does. */
  private opened = false
  /** A record of this tenure is in the lock file, and its ending must be. */
  private recorded = false
  /** What was read, until the first exclusive hold with a record writes its own. */
  private last: LastHold | null = null
  private fences: FenceBlock | null = null
  /** From an engine that has fencing numbers of its own: those that are left, and that of the present holder. */
  private numbers: FenceRange | null = null
  private number: number | null = null
  /** The hold before the next one, if that did not end by its own release. */
  private recovered: LockRecord | null = null
  /** How an exclusive hold was revoked, until a later one is told of it. */
  private lastEnding: LostReason | null = null

  constructor(kernel: Kernel, holding: Holding, lease: Lease, mode: Mode) {
    this.kernel = kernel
    this.holding = holding
    this.lease = lease
    this.mode = mode
    this.begun = holding.clock.now()
  }

  get isFree(): boolean {
    return this.holds.first === null
  }

  /** Whether a hold of that owner is in it that others of the owner may enter with. */
  isHeldBy(owner: OwnerState): boolean {
    for (const hold of this.holds) if (hold.knownOwner === owner && hold.held) return true
    return false
  }

  /** The kernel may have ended it. */
  get past(): boolean {
    return this.limited !== Infinity && this.holding.clock.now() >= this.limited
  }

  /** Ends the holds that are past their deadline: the event loop may be late. */
  expire(): void {
    if (this.limited === Infinity || this.holding.clock.now() < this.limited) return
    for (const hold of [...this.holds]) hold.expire()
  }

  /** It is past its limit, so its holds are. False while a guard of one keeps the lock. */
  lapse(): boolean {
    for (const hold of [...this.holds]) hold.end('max-hold')
    return this.isFree
  }

  /** Holds of one owner may be in it side by side, but their changes come one after another. Null: the turn is now. */
  takeTurn(): Promise<void> | null {
    if (!this.turnTaken) {
      this.turnTaken = true
      return null
    }
    return new Promise((resolve) => this.turns.push(resolve))
  }

  giveTurn(): void {
    const next = this.turns.shift()
    if (next === undefined) this.turnTaken = false
    else next()
  }

  /** Only a hold that nobody else can enter lets the lease end with its last change. */
  lend(hold: HoldState, last: boolean): Claim {
    const ends = last && hold.mode === 'exclusive' && hold.knownOwner === null
    this.spent ||= ends
    return { lease: this.lease, ends, ending: this.stamp(), prefix: RECORD_PREFIX.length }
  }

  /** Whether the next waiter may take over without a system call, or others get their turn first. */
  mayHandOver(mode: Mode): boolean {
    if (this.spent || this.mode !== 'exclusive' || mode !== 'exclusive') return false
    if (this.numbers !== null && this.numbers.first >= this.numbers.end) return false
    const age = this.holding.clock.now() - this.begun
    return age < YOUNG || (this.handOvers < MOST_HAND_OVERS && age < LONGEST_HANDING_OVER)
  }

  handedOver(): void {
    this.handOvers++
  }

  /** Makes sure that the kernel lets it last for one more hold, before that begins. False when it has ended it. */
  outlasts(request: Request): boolean {
    if (this.limited === Infinity) return true
    const deadline = this.holding.clock.now() + request.maxHold
    return deadline <= this.limited || this.limit(deadline, request, this.endingWith(request))
  }

  enter(request: Request): HoldState {
    const { clock } = this.holding
    const since = clock.wallTime()
    const entry = request.record
      ? this.inscribe(request, since)
      : { fence: this.numbered(request), recoveredFrom: null }
    const hold = new HoldState(this.holding, request, clock.now(), since, entry)
    this.holds.add(hold)
    if (hold.deadline === Infinity) this.unlimited++
    if (!this.shorten(request)) hold.deadline = clock.now() // too late: the kernel ended it just now
    return hold
  }

  /** A hold needs the lock no more; `reason` is null when it was released. */
  left(hold: HoldState, reason: LostReason | null): void {
    this.holds.delete(hold)
    if (hold.deadline === Infinity) this.unlimited--
    if (!this.isFree) this.shorten(hold.request)
    // What a hold of the same tenure left meanwhile is more recent.
    if (hold.undone) this.recovered ??= hold.recoveredFrom
    const { request, since, fence } = hold
    if (reason === null || request.mode === 'shared' || !request.record) return
    this.lastEnding = reason
    this.recovered = revokedRecord(signature(request), since, fence, reason)
  }

  /** The deadline of one of its holds was `before` and is another now. False when the kernel has ended it. */
  relimit(hold: HoldState, before: number): boolean {
    const more = Number(hold.deadline === Infinity) - Number(before === Infinity)
    this.unlimited += more
    const latest = this.latestDeadline()
    if (latest === this.limited || this.limit(latest, hold.request)) return true
    this.unlimited -= more
    return false
  }

  end(): void {
    this.kernel.release(this.lease, this.toldAgain() ? null : this.stamp(), RECORD_PREFIX.length)
  }

  /** Whether the record is now that of a hold before this tenure again, for those that were told of it were undone. */
  private toldAgain(): boolean {
    if (!this.recorded || this.lastEnding !== null || this.recovered === null || this.fences === null) return false
    try {
      return this.kernel.write(this.lease, recordAgain(this.recovered, this.fences.end))
    } catch {
      return false // it ends as released: that this could not be stamped is no news either
    }
  }

  /** How the record ends with the hold that is released last. */
  private stamp(): Uint8Array | null {
    return this.recorded ? ending(this.lastEnding) : null
  }

  /** The kernel may end it as soon as its last hold must have ended. False when it has done so already. */
  private shorten(request: Request): boolean {
    if (this.unlimited > 0 && this.limited === Infinity) return true
    const latest = this.latestDeadline()
    const known = latest === Infinity || this.endingAtLimit === this.endingOfAll()
    return (latest === this.limited && known) || this.limit(latest, request)
  }

  /** How the record ends if all holds end by their deadlines; undefined without one. */
  private endingOfAll(): LostReason | null | undefined {
    if (!this.recorded) return undefined
    for (const { request } of this.holds) if (request.mode === 'exclusive' && request.record) return 'max-hold'
    return this.lastEnding
  }

  /** The same, of those and one more: the kernel may end it before that has begun. */
  private endingWith({ mode, record }: Request): LostReason | null | undefined {
    return this.recorded && mode === 'exclusive' && record ? 'max-hold' : this.endingOfAll()
  }

  private latestDeadline(): number {
    if (this.unlimited > 0) return Infinity
    let latest = -Infinity
    for (const { deadline } of this.holds) latest = Math.max(latest, deadline)
    return latest
  }

  private limit(deadline: number, { file: { lockfile } }: Request, last = this.endingOfAll()): boolean {
    const rest = deadline - this.holding.clock.now()
    const stamp = last === undefined ? null : ending(last)
    const answer = this.kernel.limit(this.lease, rest, stamp, RECORD_PREFIX.length)
    if (answer === 'ended') return false
    this.limited = deadline
    this.endingAtLimit = last
    if (answer === 'unwatched' && !this.unwatched) {
      this.unwatched = true
      const reason = 'there is no thread for maxHold, so it works only while the event loop turns'
      publishFallback({ kind: 'watchdog', lockfile, reason })
    }
    return true
  }

  /** What a hold that begins now is told: its fencing number, and whom it recovers from. */
  private inscribe(request: Request, since: number): { fence: number | null; recoveredFrom: LockRecord | null } {
    if (!this.opened) this.open(request)
    const recoveredFrom = this.recovered
    if (request.mode === 'exclusive') this.recovered = this.lastEnding = null
    return { fence: request.mode === 'shared' ? null : this.takeFence(request, since), recoveredFrom }
  }

  /** By an engine that has numbers, and no record: one for each holder, and for all who enter its hold. */
  private numbered({ mode }: Request): number | null {
    if (this.kernel.fences === undefined || this.mode === 'shared') return null
    this.numbers ??= this.kernel.fences(this.lease)
    if (this.isFree) {
      const { first, end } = this.numbers
      this.number = first
      this.numbers = { first: first + 1, end }
    }
    return mode === 'shared' ? null : this.number
  }

  private open({ mode, file: { lockfile } }: Request): void {
    this.opened = true
    const length = this.kernel.read(this.lease, page)
    this.last = lastHold(length)
    // An exclusive hold is told when it writes its own record.
    if (length < 0 && mode === 'shared') publishFallback({ kind: 'record', lockfile, reason: UNREADABLE })
    // A hold of this tenure that was revoked meanwhile is the more recent one.
    this.recovered ??= this.last.unfinished
  }

  /** The next number of the block; a used-up block is followed by another, if the file may still carry a record. */
  private takeFence(request: Request, since: number): number | null {
    // Not before: a shared hold that enters an exclusive one without a record must not write over what it was told.
    if (this.last !== null) {
      const { last } = this
      this.last = null
      this.fences = this.persist(last, last.fence, request, since)
    }
    if (this.fences === null) return null
    const fence = this.fences.take()
    if (fence !== null) return fence
    const last = lastHold(this.kernel.read(this.lease, page))
    this.fences = this.persist(last, this.fences.end, request, since)
    return this.fences?.take() ?? null
  }

  /** Writes the record with the end of a new block. Null, and an event, where there is none to be written. */
  private persist(last: LastHold, previous: number | null, request: Request, since: number): FenceBlock | null {
    const block = new FenceBlock(previous, since)
    try {
      const obstacle = last.obstacle ?? this.write(composeRecord(signature(request), since, block.end))
      if (obstacle === null) return block
      publishFallback({ kind: 'record', lockfile: request.file.lockfile, reason: obstacle })
    } catch (cause) {
      const reason = 'the record cannot be written'
      publishFallback({ kind: 'record', lockfile: request.file.lockfile, reason, cause })
    }
    return null
  }

  private write(record: Uint8Array): string | null {
    this.recorded = true // even if it fails: what is overdue may be written later
    if (this.kernel.write(this.lease, record)) return null
    this.recorded = false
    return 'the lock file is not writable, or an empty file with other names that may be data of somebody else'
  }
}

export function signature({ owner, label, maxHold }: Request): Signature {
  return { owner: ownerLabel(owner), label, maxHold }
}
