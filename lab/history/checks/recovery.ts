// Who comes after a hold that did not end by its release is told; who comes after one that did, is not. Looked at are pairs of
// exclusive holds with a record, one after the other by their fences.
//
// Between them there may be holds that no log knows: of a thread that died before it could write, or inside an acquireAll()
// that let go again, because it came to nothing or began anew. Such a one may have been ended otherwise meanwhile, of which
// the next one is told; what it was told itself is not lost with it.
import { describe, diedHolding, type History, type HoldRecord } from '../history.js'
import { Violations } from './violations.js'

export interface RecoveryFigures {
  /** Deaths and other ends of which the next holder was told. */
  told: number
}

export function recovery(history: History, figures: RecoveryFigures): Violations {
  const violations = new Violations('the next holder is told of a death, and of nothing else')
  const byKey = new Map<string, HoldRecord[]>()
  for (const hold of history.holds) {
    if (hold.key === null || hold.mode === 'shared' || hold.fence < 0) continue
    const known = byKey.get(hold.key)
    if (known === undefined) byKey.set(hold.key, [hold])
    else known.push(hold)
  }
  const dead = new Set(history.threads.filter(({ death }) => death !== Infinity).map(({ pid, tid }) => `${pid}-${tid}`))
  // Lost before it was known which file they had.
  const unknown = new Set(
    history.holds.filter(({ key }) => key === null).map(({ file, thread }) => `${file}-${thread.pid}-${thread.tid}`),
  )
  for (const holds of byKey.values()) {
    holds.sort((one, other) => one.fence - other.fence)
    for (const [index, next] of holds.entries()) {
      const last = holds[index - 1]
      if (last === undefined || last.nested || next.nested || mayReenter(last, next)) continue
      const told = next.recovered
      const letGo = (): boolean => {
        const from = Math.min(last.start, next.start)
        return history.several.some((one) => one.files.includes(last.file) && one.from < next.start && one.to > from)
      }
      if (mustBeTold(last)) {
        if (next.told) figures.told++
        else violations.add(() => `not told: ${describe(next)}; after ${describe(last)}`)
      } else if (told !== null && mustNotBeTold(last)) {
        const unwritten = dead.has(`${told.pid}-${told.tid}`) || unknown.has(`${last.file}-${told.pid}-${told.tid}`)
        if (unwritten || letGo()) continue
        violations.add(() => `told of process ${told.pid}: ${describe(next)}; after a release: ${describe(last)}`)
      }
    }
  }
  return violations
}

/** It was asked for while its owner held the lock, so it may have begun then. */
function mayReenter(last: HoldRecord, next: HoldRecord): boolean {
  return (
    last.thread === next.thread &&
    last.owner !== 0 &&
    last.owner === next.owner &&
    next.asked < (last.ended ?? Infinity)
  )
}

function mustBeTold(hold: HoldRecord): boolean {
  if (hold.outcome !== null) return hold.ended !== null && hold.outcome !== 'released'
  return hold.end === null && diedHolding(hold)
}

/** Its limit may have passed while it was being released, by a thread that did not run. */
function mustNotBeTold({ outcome, ended, leaked, limitFrom }: HoldRecord): boolean {
  return outcome === 'released' && ended !== null && !leaked && ended < limitFrom
}
