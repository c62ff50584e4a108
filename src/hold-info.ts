// What is told of one hold: by holds(), by an owner, by events. A copy, not a handle.
export interface HoldInfo {
  readonly path: string
  readonly lockfile: string
  readonly mode: 'exclusive' | 'shared'
  /** The label of its owner; null where it has none. */
  readonly owner: string | null
  readonly label: string | undefined
  readonly since: Date
  readonly fence: number | null
  /** Milliseconds until it ends by its maxHold; null without a bound. */
  readonly remaining: number | null
  /** Where it was acquired, as lines of a stack, where that was kept: for waits, for owners, and with HOLDFAST_TRACE=1. */
  readonly acquiredAt: string | null
}
