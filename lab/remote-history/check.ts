// Judges a saved history of the PostgreSQL engine: `node lab/dist/remote-history/check.js FOLDER`. Needs nothing of what made it.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { sum } from '../history/check.js'
import { counters } from '../history/checks/counters.js'
import { endings } from '../history/checks/endings.js'
import { exclusion, type Excused } from '../history/checks/exclusion.js'
import { fences } from '../history/checks/fences.js'
import { guards } from '../history/checks/guards.js'
import { Violations } from '../history/checks/violations.js'
import { figuresOf, percentile } from '../history/figures.js'
import { MILLISECOND, type HoldRecord } from '../history/history.js'
import { connections } from './checks/connections.js'
import { idle } from './checks/idle.js'
import { partitions, type PartitionFigures } from './checks/partitions.js'
import { refusals } from './checks/refusals.js'
import { hostOf } from './plan.js'
import { readRemoteHistory, type RemoteHistory } from './reading.js'

export interface RemoteFigures extends PartitionFigures {
  /** Increments that were counted. */
  sections: number
  /** Holds that had lost their lock and could not know, while another one had it. */
  readonly unknowing: Set<HoldRecord>
}

export interface Judgement {
  readonly checks: readonly Violations[]
  readonly figures: RemoteFigures
}

export function check(remote: RemoteHistory): Judgement {
  const { history, troubles } = remote
  const figures: RemoteFigures = { sections: 0, unknowing: new Set(), cuts: 0, losses: 0, margins: [], releases: [] }
  const excused: Excused = (one, other, to) => {
    const hold = troubles.unknowing(one, other, to)
    if (hold !== null) figures.unknowing.add(hold)
    return hold !== null
  }
  const quiet = new Violations('in quiet moments the database keeps what is held, and nothing else')
  for (const told of remote.quiet) for (const text of told) quiet.add(() => text)
  const surprises = new Violations('nothing happened that may not happen')
  for (const text of history.unexpected) surprises.add(() => text)
  const checks = [
    exclusion(history, excused),
    fences(history, excused, 'same'),
    guards(history),
    endings(history),
    counters(history, figures),
    partitions(remote, figures),
    refusals(remote),
    idle(remote),
    connections(remote),
    quiet,
    surprises,
  ]
  return { checks, figures }
}

/** Prints what was done and what was found. */
export function judge(folder: string): { passed: number; failed: number } {
  const remote = readRemoteHistory(folder)
  const { plan, history, troubles } = remote
  const { checks, figures } = check(remote)
  obscure(remote)
  const { acquisitions, seconds, kills, killsOfHolders, grantsAfterKill, longestWait } = figuresOf(history)
  const refused = [...history.refused].map(([why, count]) => `${count} ${why}`).join(', ')
  const lost = history.holds.filter(({ outcome }) => outcome === 'connection').length
  console.log(`seed ${plan.seed}, ${seconds.toFixed(1)} s`)
  console.log(`${acquisitions} grants, ${figures.sections} counted; refused: ${refused || 'none'}`)
  console.log(
    `${kills} processes killed, ${killsOfHolders} of them while they held a lock; ${troubles.terminations.length} sessions ` +
      `terminated, ${troubles.cancels.length} storms of cancels, ${troubles.restarts.length} restarts of the server, ` +
      `${troubles.cuts.length} partitions, in ${figures.cuts} of which ${figures.losses} locks were lost and granted to others`,
  )
  console.log(
    `${lost} holds lost with their connections; ${figures.unknowing.size} of them overlapped, and could not know`,
  )
  console.log(`granted after a kill (${grantsAfterKill.length}): ${spread(grantsAfterKill)}`)
  console.log(`granted after a partition (${figures.releases.length}): ${spread(figures.releases)}`)
  console.log(`known so long before (${figures.margins.length}): at least ${(figures.margins[0] ?? 0).toFixed(0)} ms`)
  console.log(
    `longest wait ${longestWait.toFixed(0)} ms; ${remote.quiet.length} quiet moments; ${remote.samples.length} samples`,
  )
  for (const { title, count, told } of checks) {
    console.log(count === 0 ? `passed: ${title}` : `FAILED: ${title} (${count} times)`)
    for (const text of told) console.log(`  ${text}`)
  }
  const failed = checks.filter(({ count }) => count > 0).length
  return { passed: checks.length - failed, failed }
}

/** Grants that do not tell how fast a death frees: the server was away, or waiters that were cut off came first. */
function obscure({ plan, history, troubles, requests }: RemoteHistory): void {
  const aftermath = (plan.heartbeat.server + 4000) * MILLISECOND
  for (const { from, to } of troubles.restarts)
    for (const spans of history.obscure) spans.push({ from, to: to + aftermath })
  for (const { host, from, to } of troubles.cuts) {
    const until = Math.min(to, from + aftermath) + aftermath
    for (const { thread, files, asked, answered } of requests) {
      if (hostOf(plan, thread.process) !== host || asked > to || answered < from) continue
      for (const file of files) history.obscure[file]?.push({ from, to: until })
    }
  }
}

function spread(sorted: readonly number[]): string {
  const ms = (part: number): string => `${percentile(sorted, part).toFixed(1)} ms`
  return `p50 ${ms(0.5)}, p99 ${ms(0.99)}, max ${ms(1)}`
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new Error('usage: check.js FOLDER')
  sum(judge(folder))
}
