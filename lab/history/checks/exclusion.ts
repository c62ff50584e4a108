// At most one exclusive hold of a lock file at a time, or any number of shared ones. Only what is certain is compared, so
// whatever overlaps here did overlap.
import {
  certain,
  certainGuards,
  describe,
  milliseconds,
  sameHolder,
  type History,
  type HoldRecord,
} from '../history.js'
import { Violations } from './violations.js'

/** Whether the second one may have been granted although the first one seemed to last until `to`, or the other way round. */
export type Excused = (one: HoldRecord, other: HoldRecord, to: number) => boolean

interface Interval {
  readonly from: number
  readonly to: number
  readonly hold: HoldRecord
}

export function exclusion(history: History, excused: Excused = () => false): Violations {
  const violations = new Violations('no exclusive hold overlaps another one of its file')
  for (const intervals of intervalsByKey(history).values()) sweep(intervals, excused, violations)
  return violations
}

function intervalsByKey({ holds }: History): Map<string, Interval[]> {
  const found = new Map<string, Interval[]>()
  for (const hold of holds) {
    if (hold.key === null) continue
    const intervals = found.get(hold.key) ?? []
    found.set(hold.key, intervals)
    const span = certain(hold)
    if (span !== null) intervals.push({ ...span, hold })
    for (const guard of certainGuards(hold)) if (guard.to > guard.from) intervals.push({ ...guard, hold })
  }
  return found
}

function sweep(intervals: Interval[], excused: Excused, violations: Violations): void {
  intervals.sort((one, other) => one.from - other.from)
  let lasting: Interval[] = []
  for (const interval of intervals) {
    lasting = lasting.filter(({ to }) => to > interval.from)
    for (const other of lasting) {
      if (interval.hold.mode === 'shared' && other.hold.mode === 'shared') continue
      if (sameHolder(interval.hold, other.hold)) continue
      if (excused(other.hold, interval.hold, Math.min(interval.to, other.to))) continue
      violations.add(() => {
        const common = Math.min(interval.to, other.to) - interval.from
        return `for ${milliseconds(common)}: ${describe(other.hold)}; ${describe(interval.hold)}`
      })
    }
    lasting.push(interval)
  }
}
