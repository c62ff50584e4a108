// Nobody gets into a guard of a hold that had ended, or whose deadline had passed, when he asked.
import { describe, milliseconds, type History } from '../history.js'
import { Violations } from './violations.js'

export function guards({ holds }: History): Violations {
  const violations = new Violations('no guard of an ended hold is entered')
  for (const hold of holds) {
    for (const { before } of hold.guards ?? []) {
      const end = Math.min(hold.ended ?? Infinity, hold.limitTo)
      if (before <= end) continue
      violations.add(() => `asked at ${milliseconds(before)}, ended at ${milliseconds(end)}: ${describe(hold)}`)
    }
  }
  return violations
}
