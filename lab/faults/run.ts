// Fails every call of the lock side, one after the other, in every way: which error, once or from then on; holds what came of
// it against the table in expected.ts; and looks that nothing is left and everything works again. Prints a table by
// operation, call and error.
//
//   node lab/dist/faults/run.js [--short] [--only="wait, and be granted"] [--witness]
//
// Whether faults can happen at every call is shown before, by strace; with --witness that alone, with --short it is not.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { acquire } from 'holdfast'

import { Lane } from './lane.js'
import { compileLibrary } from './library.js'
import { plan, planAlone } from './plan.js'
import type { Case, Task } from './subject.js'
import { printTable, titleOf, type Told } from './table.js'
import { traces, witness } from './witness.js'

/** Processes that work side by side: each waits for its peer half of the time. */
const LANES = 2

/** Of an acquire that must get a lock whose process is gone. */
const PATIENCE = 10_000

async function sweepAll(library: string, folder: string, waiting: Task[], told: Told[]): Promise<void> {
  const lane = await Lane.start(library, folder)
  try {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      const cases = await lane.sweep(task)
      if (typeof cases === 'string') throw new Error(`${titleOf(task)}, ${task.error}: the process ended (${cases})`)
      told.push({ task, cases })
    }
  } finally {
    waiting.length = 0 // of a lane that failed, the others begin nothing more
    await lane.end()
  }
}

/** Each case in a process of its own, until there is no such call any more; in the short form the first one. */
async function sweepAlone(library: string, folder: string, task: Task, short: boolean): Promise<Told> {
  const cases: Case[] = []
  for (let only = 1; ; only++) {
    const lane = await Lane.start(library, `${folder}-${only}`)
    const result = await lane.sweep({ ...task, only })
    await lane.end()
    if (typeof result !== 'string') cases.push(...result)
    else cases.push(await death(join(lane.folder, task.distant ? 'distant' : 'local', '1', 'file'), only, result))
    if (cases.length < only || task.family === 'threads' || short) return { task, cases }
  }
}

/** Without memory the process ends at once, as Node itself does; what it held must be free. */
async function death(file: string, at: number, ending: string): Promise<Case> {
  const begin = performance.now()
  const free = await acquire(file, { timeout: PATIENCE }).then(
    (hold) => (hold.release(), true),
    () => false,
  )
  const problems = [
    ...(ending === 'SIGABRT' ? [] : [`the process ended with ${ending}`]),
    ...(free ? [] : ['the lock did not go free']),
  ]
  const problem = problems.length === 0 ? null : problems.join('; ')
  return { at, call: 'malloc', came: 'the process is gone', problem, freed: performance.now() - begin }
}

async function sweepEverything(
  library: string,
  folder: string,
  short: boolean,
  only: string | undefined,
): Promise<Told[]> {
  const told: Told[] = []
  const waiting = plan(short, only)
  const places = Array.from({ length: LANES }, (_, index) => join(folder, `lane-${index}`))
  const lanes = await Promise.allSettled(places.map((place) => sweepAll(library, place, waiting, told)))
  for (const lane of lanes) if (lane.status === 'rejected') throw lane.reason
  for (const [index, task] of planAlone(short, only).entries()) {
    told.push(await sweepAlone(library, join(folder, `alone-${index}`), task, short))
  }
  return told
}

interface Count {
  readonly passed: number
  readonly failed: number
}

/** Prints what was found. */
function tell(told: readonly Told[], seconds: number): Count {
  printTable(told)
  let passed = 0
  let failed = 0
  let freed = 0
  console.log()
  for (const { task, cases } of told) {
    for (const one of cases) {
      freed = Math.max(freed, one.freed)
      if (one.problem === null) passed++
      else {
        failed++
        const which = task.times === 1 ? task.error : `${task.error} and all after it`
        console.log(`FAILED: ${titleOf(task)}: ${task.family}, ${which} at call ${one.at}, ${one.call}: ${one.problem}`)
      }
    }
  }
  console.log(`another process had each lock after at most ${freed.toFixed(1)} ms; ${seconds.toFixed(0)} s in all`)
  return { passed, failed }
}

/** Nothing where nobody may look. */
async function seen(library: string, folder: string): Promise<Count[]> {
  if (!traces()) {
    console.log('skipped: this machine lacks strace, or the right to trace')
    return []
  }
  const count = await witness(library, folder)
  console.log(`operations whose every call may fail: ${count.passed}`)
  return [count]
}

async function swept(library: string, folder: string, short: boolean, only: string | undefined): Promise<Count> {
  const begin = performance.now()
  const told = await sweepEverything(library, folder, short, only)
  return tell(told, (performance.now() - begin) / 1000)
}

const short = process.argv.includes('--short')
const only = process.argv.find((word) => word.startsWith('--only='))?.slice('--only='.length)
const witnessed = process.argv.includes('--witness')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-faults-'))
try {
  const counts: Count[] = []
  const library = compileLibrary(folder)
  if ('lacking' in library) {
    console.log(`skipped: this machine lacks ${library.lacking}`)
  } else {
    if (witnessed || !(short || only !== undefined)) counts.push(...(await seen(library.file, join(folder, 'traced'))))
    if (!witnessed) counts.push(await swept(library.file, folder, short, only))
  }
  if (counts.some(({ passed, failed }) => failed > 0 || passed === 0)) process.exitCode = 1
  const sum = (which: keyof Count): number => counts.reduce((all, count) => all + count[which], 0)
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
