// Who is cut off knows that its locks are lost before anybody else is granted them.
import { describe, milliseconds, MILLISECOND, type History, type HoldRecord } from '../../history/history.js'
import { Violations } from '../../history/checks/violations.js'
import { hostOf } from '../plan.js'
import type { RemoteHistory } from '../reading.js'

export interface PartitionFigures {
  /** Cuts in which somebody lost a lock. */
  cuts: number
  /** Locks that were lost then, and granted to somebody else. */
  losses: number
  /** From the signal to the grant, in milliseconds, sorted: of processes that ran, and where nothing else freed the lock. */
  readonly margins: number[]
  /** From the cut to the grant, where somebody waited by then; likewise. */
  readonly releases: number[]
}

export function partitions(remote: RemoteHistory, figures: PartitionFigures): Violations {
  const violations = new Violations('who is cut off knows it before its lock is granted to another')
  const { plan, history, troubles } = remote
  const grants = grantsByFile(history)
  for (const cut of troubles.cuts) {
    const lost = history.holds.filter(
      ({ thread, signalled, outcome, start }) =>
        hostOf(plan, thread.process) === cut.host &&
        outcome === 'connection' &&
        signalled !== null &&
        start < cut.to &&
        signalled > cut.from &&
        signalled < cut.to,
    )
    let any = false
    for (const hold of lost) {
      const { signalled, mode } = hold
      const next = grants[hold.file]?.find(
        (one) =>
          one.start > cut.from &&
          one.thread !== hold.thread &&
          (one.mode === 'exclusive' || mode === 'exclusive') &&
          (one.fence > hold.fence || one.fence < 0),
      )
      if (next === undefined || signalled === null) continue
      any = true
      figures.losses++
      if (next.start <= signalled) {
        if (troubles.unknowing(hold, next, signalled) !== null) continue
        violations.add(() => `known at ${milliseconds(signalled)}: ${describe(hold)}; granted: ${describe(next)}`)
      }
      if (troubles.endsIn(hold.thread.process, cut.from, next.start)) continue // not by the server's patience
      figures.margins.push((next.start - signalled) / MILLISECOND)
      if (next.asked < cut.from + plan.heartbeat.every * MILLISECOND)
        figures.releases.push((next.start - cut.from) / MILLISECOND)
    }
    if (any) figures.cuts++
  }
  figures.margins.sort((one, other) => one - other)
  figures.releases.sort((one, other) => one - other)
  return violations
}

function grantsByFile({ holds, plan }: History): HoldRecord[][] {
  const grants: HoldRecord[][] = plan.files.map(() => [])
  for (const hold of holds) grants[hold.file]?.push(hold)
  for (const ofFile of grants) ofFile.sort((one, other) => one.start - other.start)
  return grants
}
