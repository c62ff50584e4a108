// Fails every call of the lock side, one after the other, in every way: which error, once or from then on; holds what came of
// it against the table in expected.ts; and looks that nothing is left and everything works again. Prints a table by
// operation, call and error.
//
//   node lab/dist/faults/run.js [--short] [--only="wait, and be granted"]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { acquire } from 'holdfast'

import { KNOWN, type Defect } from './known.js'
import { Lane } from './lane.js'
import { compileLibrary } from './library.js'
import { plan, planAlone } from './plan.js'
import type { Case, Task } from './subject.js'
import { printTable, titleOf, type Told } from './table.js'

/** Processes that work side by side: each waits for its peer half of the time. */
const LANES = 2

/** Of an acquire that must get a lock whose process is gone. */
const PATIENCE = 10_000

async function sweepAll(library: string, folder: string, waiting: Task[], told: Told[]): Promise<void> {
  const lane = await Lane.start(library, folder)
  for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
    const cases = await lane.sweep(task)
    if (typeof cases === 'string') throw new Error(`${titleOf(task)}, ${task.error}: the process ended (${cases})`)
    told.push({ task, cases })
  }
  await lane.end()
}

/** Each case in a process of its own, until there is no such call any more. */
async function sweepAlone(library: string, folder: string, task: Task): Promise<Told> {
  const cases: Case[] = []
  for (let only = 1; ; only++) {
    const lane = await Lane.start(library, `${folder}-${only}`)
    const result = await lane.sweep({ ...task, only })
    await lane.end()
    if (typeof result !== 'string') cases.push(...result)
    else cases.push(await death(join(lane.folder, task.distant ? 'distant' : 'local', '1', 'file'), only, result))
    if (cases.length < only || task.family === 'threads') return { task, cases }
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
  await Promise.all(places.map((place) => sweepAll(library, place, waiting, told)))
  for (const [index, task] of planAlone(short, only).entries()) {
    told.push(await sweepAlone(library, join(folder, `alone-${index}`), task))
  }
  return told
}

/** Prints what was found, and answers whether all was well. */
function tell(told: readonly Told[], seconds: number): boolean {
  printTable(told)
  const known = new Map<Defect, number>()
  let passed = 0
  let failed = 0
  let freed = 0
  console.log()
  for (const { task, cases } of told) {
    for (const one of cases) {
      freed = Math.max(freed, one.freed)
      const defect = one.problem === null ? undefined : KNOWN.find(({ is }) => is(task, one))
      if (one.problem === null) passed++
      else if (defect !== undefined) known.set(defect, (known.get(defect) ?? 0) + 1)
      else {
        failed++
        const which = task.times === 1 ? task.error : `${task.error} and all after it`
        console.log(`FAILED: ${titleOf(task)}: ${task.family}, ${which} at call ${one.at}, ${one.call}: ${one.problem}`)
      }
    }
  }
  for (const [{ title }, cases] of known) console.log(`known, ${cases} cases: ${title}`)
  console.log(`another process had each lock after at most ${freed.toFixed(1)} ms; ${seconds.toFixed(0)} s in all`)
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0
}

const short = process.argv.includes('--short')
const only = process.argv.find((word) => word.startsWith('--only='))?.slice('--only='.length)
const folder = mkdtempSync(join(tmpdir(), 'holdfast-faults-'))
try {
  const library = compileLibrary(folder)
  if ('lacking' in library) {
    console.log(`skipped: this machine lacks ${library.lacking}\n0 passed, 0 failed`)
  } else {
    const begin = performance.now()
    const told = await sweepEverything(library.file, folder, short, only)
    if (!tell(told, (performance.now() - begin) / 1000)) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
