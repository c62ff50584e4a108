// Judges a saved history: `node lab/dist/history/check.js FOLDER`. Needs nothing of what made it.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { counters } from './checks/counters.js'
import { endings } from './checks/endings.js'
import { exclusion } from './checks/exclusion.js'
import { fences } from './checks/fences.js'
import { guards } from './checks/guards.js'
import { recovery } from './checks/recovery.js'
import { Violations } from './checks/violations.js'
import { wakeUps } from './checks/wake-ups.js'
import { figuresOf, percentile } from './figures.js'
import type { History } from './history.js'
import { readHistory } from './reading.js'

export interface Judgement {
  readonly checks: readonly Violations[]
  /** Increments that were counted under locks. */
  readonly sections: number
  /** Deaths and other ends of which the next holder was told. */
  readonly told: number
}

export function check(history: History): Judgement {
  const counted = { sections: 0 }
  const recovered = { told: 0 }
  const surprises = new Violations('nothing happened that may not happen')
  for (const text of history.unexpected) surprises.add(() => text)
  const checks = [
    exclusion(history),
    fences(history),
    guards(history),
    endings(history),
    recovery(history, recovered),
    wakeUps(history),
    counters(history, counted),
    surprises,
  ]
  return { checks, ...counted, ...recovered }
}

/** Prints what was done and what was found. */
export function judge(folder: string): { passed: number; failed: number } {
  const history = readHistory(folder)
  const { checks, sections, told } = check(history)
  const figures = figuresOf(history)
  const { grantsAfterKill: after } = figures
  const ms = (part: number): string => `${percentile(after, part).toFixed(2)} ms`
  const refused = [...history.refused].map(([why, count]) => `${count} ${why}`).join(', ')
  console.log(`seed ${history.plan.seed}, ${figures.seconds.toFixed(1)} s`)
  console.log(`${figures.acquisitions} acquisitions, ${sections} counted; refused: ${refused || 'none'}`)
  console.log(
    `${figures.kills} processes killed, ${figures.killsOfHolders} of them while they held a lock; ` +
      `${figures.otherDeaths} threads ended otherwise; ${history.children} children outlived their parents' sections; ` +
      `${history.replacements} lock files replaced`,
  )
  console.log(`granted after a kill (${after.length}): p50 ${ms(0.5)}, p99 ${ms(0.99)}, max ${ms(1)}`)
  console.log(`longest wait ${figures.longestWait.toFixed(0)} ms; ${told} ends told to the next holder`)
  for (const { title, count, told } of checks) {
    console.log(count === 0 ? `passed: ${title}` : `FAILED: ${title} (${count} times)`)
    for (const text of told) console.log(`  ${text}`)
  }
  const failed = checks.filter(({ count }) => count > 0).length
  return { passed: checks.length - failed, failed }
}

/** The last line of every program that counts cases. */
export function sum({ passed, failed }: { passed: number; failed: number }): never {
  console.log(`${passed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) throw new Error('usage: check.js FOLDER')
  sum(judge(folder))
}
