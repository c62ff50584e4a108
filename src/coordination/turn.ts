// Keeps promise grants from starving the event loop. A loop of acquire and release runs in microtasks alone; without
// a turn in between, timers, sockets and the notices of other locks would never be served.
import type { Clock } from '../kernel/clock.js'

/** Grants in a row before the event loop gets a turn. */
const GRANTS_A_TURN = 16

/** The grant at which the turn is asked for. Most bursts end before it and cost nothing. */
const ASKED_AT = 8

export interface Deferred {
  advance(): void
}

export class Turn {
  private grants = 0
  private readonly deferred = new Set<Deferred>()
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Whether one more grant may be made now; if not, `later` advances in the next turn. */
  mayGrant(later: Deferred): boolean {
    if (this.grants < GRANTS_A_TURN) return true
    this.deferred.add(later)
    return false
  }

  granted(): void {
    this.grants++
    if (this.grants === ASKED_AT) this.clock.nextTurn(() => this.begin())
  }

  private begin(): void {
    this.grants = 0
    const waiting = [...this.deferred]
    this.deferred.clear()
    for (const deferred of waiting) deferred.advance()
  }
}
