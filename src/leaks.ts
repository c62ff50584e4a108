// Notices handles that nobody can reach any more while their holds last.
//
// Most holds end in the turn of the event loop in which they began, and never reach the garbage collector's list: handles
// are kept for that turn, and only those whose holds last are watched. So noticing leaks costs the others next to nothing.
import type { HoldState } from './coordination/hold-state.js'
import type { Clock } from './kernel/clock.js'

/** A loop that never yields must not gather handles for ever. */
const MOST_FRESH = 64

export class Leaks {
  private readonly clock: Clock
  private fresh: { handle: object; state: HoldState }[] = []
  private readonly registry = new FinalizationRegistry<HoldState>((state) => state.collected())

  constructor(clock: Clock) {
    this.clock = clock
  }

  watch(handle: object, state: HoldState): void {
    if (this.fresh.length === 0) this.clock.nextTurn(() => this.settle())
    this.fresh.push({ handle, state })
    if (this.fresh.length > MOST_FRESH) this.settle()
  }

  private settle(): void {
    const { fresh } = this
    this.fresh = []
    for (const { handle, state } of fresh) {
      if (!state.held) continue
      state.request.acquiredAt?.settle()
      this.registry.register(handle, state)
    }
  }
}
