// One request that has not been answered yet: its promise, its deadline, its abort signal, its owner.
//
// The deadline counts from the call, queueing included. It settles once, and on every way out the timer is cancelled
// and the listener removed.
import type { Clock, Timer } from '../kernel/clock.js'
import type { Request } from '../options.js'
import type { Linked } from './linked-list.js'
import { onAbort } from './abort-fan.js'
import type { Deadlines, Mortal } from './deadlines.js'
import type { HoldState } from './hold-state.js'
import type { Blocker, OwnedWait } from './owner-state.js'

/** Where a waiter stands in line. Waiters move when two lines turn out to be for one file. */
export interface Line {
  expired(waiter: Waiter): void
  cancelled(waiter: Waiter, error: unknown): void
  blockersOf(waiter: Waiter): Blocker[]
}

/** Throws when its signal has aborted or its owner is closed. */
export function refuseIfUnwanted({ file, signal, owner }: Request): void {
  signal?.throwIfAborted()
  owner?.refuseIfClosed(file)
}

export class Waiter implements Mortal, OwnedWait, Linked<Waiter> {
  list: object | null = null
  next: Waiter | null = null
  previous: Waiter | null = null
  request: Request
  line: Line
  private readonly clock: Clock
  readonly started: number
  private readonly resolve: (hold: HoldState) => void
  private readonly reject: (error: unknown) => void
  private settled = false
  private timer: Timer | null = null
  private unlisten: (() => void) | null = null

  constructor(
    request: Request,
    line: Line,
    clock: Clock,
    started: number,
    resolve: (hold: HoldState) => void,
    reject: (error: unknown) => void,
  ) {
    this.request = request
    this.line = line
    this.clock = clock
    this.started = started
    this.resolve = resolve
    this.reject = reject
  }

  /** For a waiter that was not answered at once. */
  arm(deadlines: Deadlines): void {
    const { timeout, signal, owner } = this.request
    try {
      refuseIfUnwanted(this.request)
    } catch (error) {
      this.cancel(error) // since it was asked for: between two files, or by a listener of what ended on the way here
      return
    }
    if (timeout !== Infinity) deadlines.add(this)
    if (signal !== undefined) this.unlisten = onAbort(signal, () => this.cancel(signal.reason))
    owner?.addWait(this)
  }

  armTimer(): void {
    const rest = Math.max(0, this.deadline - this.clock.now())
    this.timer = this.clock.after(rest, () => this.line.expired(this))
  }

  /** By the clock. */
  get deadline(): number {
    return this.started + this.request.timeout
  }

  /** Milliseconds since the call. */
  get waited(): number {
    return this.clock.now() - this.started
  }

  /** It was answered. */
  get over(): boolean {
    return this.settled
  }

  blockers(): Blocker[] {
    return this.line.blockersOf(this)
  }

  /** The request's own signal comes first, where that ended its owner too. */
  cancel(error: unknown): void {
    const { signal } = this.request
    this.line.cancelled(this, signal?.aborted === true ? signal.reason : error)
  }

  grant(hold: HoldState): void {
    this.settle()
    this.resolve(hold)
  }

  /** Harmless for one that is settled. */
  refuse(error: unknown): void {
    if (this.settled) return
    this.settle()
    this.reject(error)
  }

  private settle(): void {
    this.settled = true
    this.timer?.cancel()
    this.unlisten?.()
    this.request.owner?.deleteWait(this)
  }
}
