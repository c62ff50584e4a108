// Arms the timers of waiters, once the event loop has had a turn. Most waiters in a busy line are served before that, and
// never cost a timer. Deadlines count from the call, so nobody's is later for it.
import type { Clock } from '../kernel/clock.js'

export interface Mortal {
  armTimer(): void
}

export class Deadlines {
  private unarmed: Mortal[] = []
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  add(mortal: Mortal): void {
    this.unarmed.push(mortal)
    if (this.unarmed.length === 1) this.clock.nextTurn(() => this.arm())
  }

  private arm(): void {
    const unarmed = this.unarmed
    this.unarmed = []
    for (const mortal of unarmed) mortal.armTimer()
  }
}
