// Fencing numbers of one lock file: each comes once, and whoever held later has the larger one. With some engines, whoever
// enters a hold of its owner gets the number of that.
import { certain, describe, sameHolder, type History, type HoldRecord } from '../history.js'
import type { Excused } from './exclusion.js'
import { Violations } from './violations.js'

/** One of several is entered when they are asked for, and told when all of them are there. */
function mayHaveEntered(one: HoldRecord, other: HoldRecord): boolean {
  const [first, second] = one.asked <= other.asked ? [one, other] : [other, one]
  return sameHolder(first, second) && second.asked < endOf(first)
}

function endOf({ ended }: HoldRecord): number {
  return ended ?? Infinity
}

export function fences(
  { holds }: History,
  excused: Excused = () => false,
  entering: 'anew' | 'same' = 'anew',
): Violations {
  const violations = new Violations('fences are unique and grow')
  const byKey = new Map<string, HoldRecord[]>()
  for (const hold of holds) {
    const wanted = hold.mode === 'exclusive' && hold.recorded
    if (wanted !== hold.fence >= 0) violations.add(() => `a fence where there is none, or none: ${describe(hold)}`)
    if (!wanted || hold.key === null) continue
    const known = byKey.get(hold.key)
    if (known === undefined) byKey.set(hold.key, [hold])
    else known.push(hold)
  }
  for (const ofFile of byKey.values()) {
    const numbers = new Map<number, HoldRecord>()
    for (const hold of ofFile) {
      const other = numbers.get(hold.fence)
      const entered = entering === 'same' && other !== undefined && mayHaveEntered(other, hold)
      if (other !== undefined && !entered) violations.add(() => `twice: ${describe(other)}; ${describe(hold)}`)
      if (other === undefined || endOf(hold) > endOf(other)) numbers.set(hold.fence, hold)
    }
    // One that had ended before its code ran may have been overtaken.
    const inOrder = ofFile.filter(({ heldAtStart }) => heldAtStart).sort((one, other) => one.start - other.start)
    for (const [index, hold] of inOrder.entries()) {
      const before = inOrder[index - 1]
      if (before === undefined || before.fence < hold.fence || sameHolder(before, hold)) continue
      if (excused(before, hold, certain(hold)?.to ?? hold.start)) continue
      violations.add(() => `smaller than the one before: ${describe(before)}; ${describe(hold)}`)
    }
  }
  return violations
}
