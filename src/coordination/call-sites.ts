// Which acquires keep their stack. One costs half as much as the whole lock, so a loop must not pay for each: at most one a
// millisecond is kept for each owner that has a name, and one for all waits without an owner.
import { AcquiredAt, tracesAll } from '../acquired-at.js'
import type { Clock } from '../kernel/clock.js'
import { OwnerState } from './owner-state.js'

const PAUSE = 1

export class CallSites {
  private readonly clock: Clock
  /** Stands for those who have none. */
  private readonly nobody = new OwnerState('')

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Of a call with an owner that has a name. */
  ofOwner(owner: OwnerState | null): AcquiredAt | null {
    if (tracesAll) return new AcquiredAt()
    return owner === null || owner.label === '' ? null : this.next(owner)
  }

  ofWait(owner: OwnerState | null): AcquiredAt | null {
    return this.next(owner ?? this.nobody)
  }

  private next(owner: OwnerState): AcquiredAt | null {
    const now = this.clock.now()
    if (now - owner.lastStack < PAUSE) return null
    owner.lastStack = now
    return new AcquiredAt()
  }
}
