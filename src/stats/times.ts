// Lengths of time, as a histogram of perf_hooks. Count, mean, least and greatest are exact; percentiles are as fine as the
// histogram.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** All in milliseconds. All are 0 where nothing was counted. */
export interface Times {
  readonly count: number
  readonly min: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** Within 1 %, and 25 KB. */
export const FINE = 2
/** Within 7 %, and 4 KB. */
export const COARSE = 1

/** Histograms count whole microseconds from 1 on, up to an hour; so one is added to each. */
const UNITS = 1000
const LEAST = 1
const HIGHEST = 3_600_000 * UNITS

export class Stopwatch {
  private readonly figures: number
  /** Made for the first time that is counted: most files see no wait at all. */
  private histogram: RecordableHistogram | null = null
  private count = 0
  private sum = 0
  private min = Infinity
  private max = 0

  constructor(figures: number) {
    this.figures = figures
  }

  add(milliseconds: number): void {
    this.count++
    this.sum += milliseconds
    this.min = Math.min(this.min, milliseconds)
    this.max = Math.max(this.max, milliseconds)
    this.histogram ??= createHistogram({ lowest: LEAST, highest: HIGHEST, figures: this.figures })
    this.histogram.record(Math.min(HIGHEST, LEAST + Math.round(milliseconds * UNITS)))
  }

  reset(): void {
    this.count = 0
    this.sum = 0
    this.min = Infinity
    this.max = 0
    this.histogram?.reset()
  }

  get times(): Times {
    const { count, min, max } = this
    if (count === 0) return { count, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, max }
    const [p50, p90, p99] = [this.percentile(50), this.percentile(90), this.percentile(99)]
    return { count, min, mean: this.sum / count, p50, p90, p99, max }
  }

  private percentile(percent: number): number {
    const found = ((this.histogram?.percentile(percent) ?? LEAST) - LEAST) / UNITS
    return Math.min(this.max, Math.max(this.min, found))
  }
}
