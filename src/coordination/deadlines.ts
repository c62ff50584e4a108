// Arms the timers of waiters, and of holds that end by themselves, once the event loop has had a turn. Most in a busy line
// are over before that, and never cost a timer. Deadlines count from the call, so nobody's is later for it.
import type { Clock } from '../kernel/clock.js'

export interface Mortal {
  /** It needs no timer any more. */
  readonly over: boolean
  armTimer(): void
}

/** A loop that never yields must not gather them for ever. */
const MANY = 64

export class Deadlines {
  private unarmed: Mortal[] = []
  private many = MANY
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  add(mortal: Mortal): void {
    if (this.unarmed.length === 0) this.clock.nextTurn(() => this.arm())
    else if (this.unarmed.length >= this.many) this.forget()
    this.unarmed.push(mortal)
  }

  private forget(): void {
    // At least one stays, for the turn that was asked for.
    this.unarmed = this.unarmed.filter(({ over }, index) => index === 0 || !over)
    this.many = Math.max(MANY, this.unarmed.length * 2)
  }

  private arm(): void {
    const unarmed = this.unarmed
    this.unarmed = []
    this.many = MANY
    for (const mortal of unarmed) if (!mortal.over) mortal.armTimer()
  }
}
