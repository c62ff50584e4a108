// Fencing numbers: each exclusive hold of a lock file gets a larger one than every hold before it.
//
// A kernel grant persists the end of a block before it hands out the first number, so that a holder that dies has used
// no number beyond what is on disk, and hand-overs inside the block cost no write.
// Guarantee: numbers grow while the record survives; and beyond that, while the clock does not go back.

const BLOCK = 16

/** Ten years in microseconds: a stored number so far ahead of the clock is garbage, and would stay for ever. */
const ABSURD = 10 * 366 * 24 * 3600 * 1e6

export class FenceBlock {
  private next: number
  /** What must be on disk before take() is called. */
  readonly end: number

  /** `wallTime` is in milliseconds. */
  constructor(previous: number | null, wallTime: number) {
    const now = wallTime * 1000
    const trusted = previous !== null && Number.isSafeInteger(previous) && previous <= now + ABSURD
    this.next = trusted ? Math.max(previous, now) : now
    this.end = this.next + BLOCK
  }

  /** The next number, or null when the block is used up. */
  take(): number | null {
    return this.next < this.end ? this.next++ : null
  }
}
