// The witness: every number that was counted under a lock comes once. One that is missing belongs to somebody who died between
// counting and writing it down.
import { lastCount, witnessName } from '../witness.js'
import { describe, type History, type HoldRecord } from '../history.js'
import { Violations } from './violations.js'

interface Count {
  readonly numbers: Map<number, HoldRecord>
  /** Exclusive holds of threads that died in them. */
  deaths: number
  /** Numbers that may have been counted. */
  maybe: number
}

export function counters({ holds, plan }: History, figures: { sections: number }): Violations {
  const violations = new Violations('no count is lost')
  const counts = new Map<string, Count>()
  for (const hold of holds) {
    if (hold.key === null || hold.mode === 'shared') continue
    const count = counts.get(hold.key) ?? { numbers: new Map<number, HoldRecord>(), deaths: 0, maybe: 0 }
    counts.set(hold.key, count)
    if (hold.ended === null && hold.thread.death !== Infinity) count.deaths++
    count.maybe += hold.maybe?.length ?? 0
    for (const number of hold.counts ?? []) {
      figures.sections++
      const other = count.numbers.get(number)
      if (other !== undefined) violations.add(() => `${number} twice: ${describe(other)}; ${describe(hold)}`)
      count.numbers.set(number, hold)
    }
  }
  for (const [key, { numbers, deaths, maybe }] of counts) {
    const [file = '', generation = ''] = key.split(':')
    const last =
      plan.files[Number(file)]?.inode === null
        ? largest(numbers)
        : lastCount(plan.folder, witnessName(Number(file), generation))
    const missing = last - numbers.size
    if (missing < 0 || missing > deaths + maybe) {
      violations.add(
        () =>
          `${numbers.size} counted, ${last} in the counter of ${key}, ${deaths} died in a section, ${maybe} may have been counted`,
      )
    }
  }
  return violations
}

/** The counter of a lock file that was replaced is named after its exact birth time, which a log rounds. */
function largest(numbers: ReadonlyMap<number, unknown>): number {
  let most = 0
  for (const number of numbers.keys()) most = Math.max(most, number)
  return most
}
