// Moments from which silence is counted, by two clocks of which the later one is believed. The monotonic clock stands still
// while a machine is suspended, and the server's does not; the wall clock shows that. That one may be put forward, which
// revokes a hold too early, or back, and then the other one counts.
import type { Clock } from '../kernel/clock.js'

export interface Moment {
  readonly monotonic: number
  readonly wall: number
}

export function momentOf(clock: Clock): Moment {
  return { monotonic: clock.now(), wall: clock.wallTime() }
}

/** Milliseconds since then. */
export function ageOf(moment: Moment, clock: Clock): number {
  return Math.max(clock.now() - moment.monotonic, clock.wallTime() - moment.wall)
}

export function later(a: Moment, b: Moment): Moment {
  return a.monotonic >= b.monotonic ? a : b
}
