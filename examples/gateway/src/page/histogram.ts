// Counts times in fixed steps: bounded memory, however many there are.
import type { Histogram } from './state.js'

/** Milliseconds. */
export const EDGES: readonly number[] = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000]

export class Times {
  private readonly counts: number[] = new Array<number>(EDGES.length + 1).fill(0)
  private longest = 0

  add(milliseconds: number): void {
    const above = EDGES.findIndex((edge) => milliseconds < edge)
    const step = above < 0 ? EDGES.length : above
    this.counts[step] = (this.counts[step] ?? 0) + 1
    this.longest = Math.max(this.longest, milliseconds)
  }

  get histogram(): Histogram {
    return { counts: [...this.counts], edges: EDGES, longest: this.longest }
  }
}
