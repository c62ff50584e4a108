// The time between one kernel grant and its unlock. Several holds may pass through it: exclusive ones one after another
// by hand-over, shared ones side by side. It keeps what they have in common: the lease, the record, the fences.
import { publishFallback } from '../events.js'
import type { LostReason } from '../errors.js'
import type { Clock } from '../kernel/clock.js'
import type { Kernel, Lease, Mode } from '../kernel/kernel.js'
import type { Request } from '../options.js'
import { composeRecord, ending, lastHold, page, RECORD_PREFIX, revokedRecord, type LastHold } from '../record-page.js'
import type { LockRecord } from '../record.js'
import { FenceBlock } from './fences.js'
import type { HoldState } from './hold-state.js'

/** Hand-overs of one tenure while others may be waiting in the kernel's queue, and for how long they may go on. */
const MOST_HAND_OVERS = 8
const LONGEST_HANDING_OVER = 100
/** A tenure this young delays nobody noticeably, however often it is handed over. */
const YOUNG = 2

export class Tenure {
  readonly lease: Lease
  readonly mode: Mode
  private readonly kernel: Kernel
  private readonly clock: Clock
  private readonly begun: number
  private handOvers = 0
  /** The previous record was looked at; only a hold with a record does. */
  private opened = false
  /** A record of this tenure is in the lock file, and its ending must be. */
  private recorded = false
  private fences: FenceBlock | null = null
  /** The hold before the next one, if that did not end by its own release. */
  private recovered: LockRecord | null = null
  private lastEnding: LostReason | null = null

  constructor(kernel: Kernel, clock: Clock, lease: Lease, mode: Mode) {
    this.kernel = kernel
    this.clock = clock
    this.lease = lease
    this.mode = mode
    this.begun = clock.now()
  }

  /** Whether the next waiter may take over without a system call, or others get their turn first. */
  mayHandOver(mode: Mode): boolean {
    if (this.mode !== 'exclusive' || mode !== 'exclusive') return false
    const age = this.clock.now() - this.begun
    return age < YOUNG || (this.handOvers < MOST_HAND_OVERS && age < LONGEST_HANDING_OVER)
  }

  handedOver(): void {
    this.handOvers++
  }

  /** What a hold that begins now is told: its fencing number, and whom it recovers from. */
  enter(request: Request, since: number): { fence: number | null; recoveredFrom: LockRecord | null } {
    if (!request.record) return { fence: null, recoveredFrom: null }
    if (!this.opened) this.open(request, since)
    const recoveredFrom = this.recovered
    if (this.mode === 'exclusive') this.recovered = null
    return { fence: this.takeFence(request, since), recoveredFrom }
  }

  /** A hold of this tenure has ended; `reason` is null when it was released. */
  left(hold: HoldState, reason: LostReason | null): void {
    if (this.mode === 'shared' || !hold.record) return
    this.lastEnding = reason
    if (reason !== null) this.recovered = revokedRecord(hold.label, hold.since, hold.fence, reason)
  }

  end(): void {
    this.kernel.release(this.lease, this.recorded ? ending(this.lastEnding) : null, RECORD_PREFIX.length)
  }

  private open(request: Request, since: number): void {
    this.opened = true
    const length = this.kernel.read(this.lease, page)
    const last = lastHold(length)
    // A hold of this tenure that was revoked meanwhile is the more recent one.
    this.recovered ??= last.unfinished
    if (this.mode === 'exclusive') this.fences = this.persist(last, last.fence, request, since)
  }

  /** The next number of the block; a used-up block is followed by another, if the file may still carry a record. */
  private takeFence(request: Request, since: number): number | null {
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
      const obstacle = last.obstacle ?? this.write(composeRecord(request.label, since, block.end))
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
    return 'the lock file is not writable'
  }
}
