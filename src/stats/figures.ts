// What is counted, of one file or of all of them.
import type { LostReason } from '../errors.js'
import type { AcquireTrace, FallbackEvent, HoldEvent, ReleaseEvent, RevokeEvent } from '../events.js'
import { Stopwatch, type Times } from './times.js'

/** How a hold ended that was not released; `collected` are the leaks. */
export type RevokeReason = Exclude<LostReason, 'released'>

export interface Counts {
  /** Holds that began, by whatever call. */
  readonly acquired: number
  /** Those of them whose owner held the lock already. */
  readonly reentered: number
  /** Holds that ended by their own release. */
  readonly released: number
  /** Holds that ended some other way. `collected`: their handles were lost. */
  readonly revoked: Readonly<Record<RevokeReason, number>>
  /** Requests that waited in vain, or found the lock held with a timeout of 0. */
  readonly timeouts: number
  /** Requests that their signal ended. */
  readonly aborted: number
  /** Requests that waited when their owner was closed. */
  readonly refused: number
  /** Requests that could never have been granted. */
  readonly deadlocks: number
  /** Requests that failed otherwise: the system refused. */
  readonly failed: number
  /** Reports of guards that were open although their hold had ended. */
  readonly overruns: number
  /** Holds that began after one that did not end by its own release. */
  readonly recovered: number
  /** What worked, but not in the usual way. */
  readonly fallbacks: Readonly<Record<FallbackEvent['kind'], number>>
  /** Most that waited for one file in this thread at one time. */
  readonly longestQueue: number
  /** From call to answer, of every request that may wait, whatever the answer; a tryAcquire() cannot wait. */
  readonly wait: Times
  /** From beginning to end, of every hold that has ended. */
  readonly hold: Times
}

const NO_REVOCATIONS = { 'max-hold': 0, 'owner-closed': 0, collected: 0, 'released-all': 0, replaced: 0, connection: 0 }
const NO_FALLBACKS = { thread: 0, record: 0, filesystem: 0, watchdog: 0 }
const NOTHING = {
  acquired: 0,
  reentered: 0,
  released: 0,
  timeouts: 0,
  aborted: 0,
  refused: 0,
  deadlocks: 0,
  failed: 0,
  overruns: 0,
  recovered: 0,
  longestQueue: 0,
}

export class Figures {
  private readonly numbers = { ...NOTHING }
  private readonly revocations: Record<RevokeReason, number> = { ...NO_REVOCATIONS }
  private readonly fallbacks = { ...NO_FALLBACKS }
  private readonly wait: Stopwatch
  private readonly hold: Stopwatch

  constructor(figures: number) {
    this.wait = new Stopwatch(figures)
    this.hold = new Stopwatch(figures)
  }

  held({ reentered, queued }: HoldEvent): void {
    this.numbers.acquired++
    if (reentered) this.numbers.reentered++
    this.queued(queued)
  }

  released({ heldFor }: ReleaseEvent): void {
    this.numbers.released++
    this.hold.add(heldFor)
  }

  revoked({ reason, heldFor }: RevokeEvent): void {
    if (reason !== 'released') this.revocations[reason]++
    this.hold.add(heldFor)
  }

  answered({ outcome, waited }: AcquireTrace): void {
    if (outcome === 'timeout') this.numbers.timeouts++
    else if (outcome === 'aborted') this.numbers.aborted++
    else if (outcome === 'owner-closed') this.numbers.refused++
    else if (outcome === 'failed') this.numbers.failed++
    this.wait.add(waited)
  }

  queued(queued: number): void {
    this.numbers.longestQueue = Math.max(this.numbers.longestQueue, queued)
  }

  deadlocked(): void {
    this.numbers.deadlocks++
  }

  overrun(): void {
    this.numbers.overruns++
  }

  recovered(): void {
    this.numbers.recovered++
  }

  fellBack({ kind }: FallbackEvent): void {
    this.fallbacks[kind]++
  }

  reset(): void {
    Object.assign(this.numbers, NOTHING)
    Object.assign(this.revocations, NO_REVOCATIONS)
    Object.assign(this.fallbacks, NO_FALLBACKS)
    this.wait.reset()
    this.hold.reset()
  }

  get counts(): Counts {
    return {
      ...this.numbers,
      revoked: { ...this.revocations },
      fallbacks: { ...this.fallbacks },
      wait: this.wait.times,
      hold: this.hold.times,
    }
  }
}
