// What is known of one hold. The handle a caller gets (hold.ts) is a face of this and nothing here refers to it, so
// that a handle nobody can reach any more can be noticed.
import { LockLostError, type LostReason } from '../errors.js'
import type { LockTarget, Mode } from '../kernel/kernel.js'
import type { LockRecord } from '../record.js'
import type { Request } from '../options.js'
import type { Linked } from './linked-list.js'

/** Where a hold lives: what its end, and the check of its lock file, are asked of. */
export interface Holding {
  /** The hold has ended; `reason` is null when it was released. */
  leave(hold: HoldState, reason: LostReason | null): void
  /** Whether the path of the hold still names the locked file. */
  stillNamed(hold: HoldState): boolean
}

export class HoldState implements Linked<HoldState> {
  list: object | null = null
  next: HoldState | null = null
  previous: HoldState | null = null
  readonly file: LockTarget
  readonly mode: Mode
  readonly label: string | undefined
  /** Whether it reads and writes the record. */
  readonly record: boolean
  /** Wall time, in milliseconds since 1970. */
  readonly since: number
  readonly fence: number | null
  readonly recoveredFrom: LockRecord | null

  private holding: Holding | null
  private lost: LockLostError | null = null
  private controller: AbortController | null = null

  constructor(
    holding: Holding,
    request: Request,
    since: number,
    entry: { fence: number | null; recoveredFrom: LockRecord | null },
  ) {
    this.holding = holding
    this.file = request.file
    this.mode = request.mode
    this.label = request.label
    this.record = request.record
    this.since = since
    this.fence = entry.fence
    this.recoveredFrom = entry.recoveredFrom
  }

  get held(): boolean {
    return this.holding !== null
  }

  isIn(holding: Holding): boolean {
    return this.holding === holding
  }

  /** Made when first asked for: it costs as much as the lock. */
  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.lost !== null) this.controller.abort(this.lost)
    return this.controller.signal
  }

  /** Ends the hold once; later calls do nothing. False when it had ended already. */
  end(reason: LostReason | null, cause?: unknown): boolean {
    const { holding } = this
    if (holding === null) return false
    this.holding = null
    if (reason !== null) this.lost = this.lostError(reason, cause)
    // The lock first: listeners may run for long, or throw.
    holding.leave(this, reason)
    if (this.lost !== null) this.controller?.abort(this.lost)
    return true
  }

  assertHeld(): void {
    if (this.holding?.stillNamed(this) === false) this.end('replaced')
    if (this.holding === null) throw this.lost ?? this.lostError('released')
  }

  /** The error of a hold that ended other than by its release; null otherwise. */
  get lostBy(): LockLostError | null {
    return this.lost
  }

  private lostError(reason: LostReason, cause?: unknown): LockLostError {
    const details = { path: this.file.target, lockfile: this.file.lockfile }
    return new LockLostError(reason, cause === undefined ? details : { ...details, cause })
  }
}
