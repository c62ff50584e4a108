// Which acquires keep their stack. One costs half as much as the whole lock, so a loop must not pay for each: in a turn of
// the event loop each owner's first acquire keeps it, and the first of all waits without an owner.
import { AcquiredAt, tracesAll } from '../acquired-at.js'
import type { Clock } from '../kernel/clock.js'
import type { OwnerState } from './owner-state.js'

export class CallSites {
  private readonly clock: Clock
  private readonly seen = new Set<OwnerState | null>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Of a call with an owner that has a name. */
  ofOwner(owner: OwnerState | null): AcquiredAt | null {
    if (tracesAll) return new AcquiredAt()
    return owner === null || owner.label === '' ? null : this.first(owner)
  }

  ofWait(owner: OwnerState | null): AcquiredAt | null {
    return this.first(owner)
  }

  private first(owner: OwnerState | null): AcquiredAt | null {
    if (this.seen.has(owner)) return null
    if (this.seen.size === 0) this.clock.nextTurn(() => this.seen.clear())
    this.seen.add(owner)
    return new AcquiredAt()
  }
}
