// The addon built with sanitizers, under the Node that this is: the suites that the lock lives from run in it without a report,
// and bugs that are planted in a copy of it are found. Then clang-tidy.
//
//   node lab/dist/sanitizers/run.js [--only=address|thread|tidy] [--short]
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { plant, PLANTS, type Plant } from './plants.js'
import { ADDON, reportsIn } from './reports.js'
import { libraryOf, SANITIZERS, Stage, type SanitizerName } from './stage.js'
import { isTidyThere, tidy } from './tidy.js'

/** By the test runner; the contract and the cases between processes need none. */
const SUITES: Record<string, string> = {
  waiting: 'test/processes/waiting.test.ts',
  abort: 'test/processes/abort.test.ts',
  guards: 'test/processes/guards.test.ts',
  workers: 'test/processes/terminate.test.ts',
  orphans: 'test/processes/orphans.test.ts',
  'time-outs': 'test/processes/timeout.test.ts',
  maxHold: 'test/processes/max-hold.test.ts',
}

const sum = { passed: 0, failed: 0 }
const rows: string[] = []

function tell(what: string, passed: number, problems: readonly string[]): void {
  sum.passed += passed
  sum.failed += problems.length
  const row = `${what.padEnd(58)} ${problems.length === 0 ? `${passed} passed` : `${problems.length} FAILED`}`
  rows.push(row)
  console.log(row)
  for (const problem of problems) console.log(problem.slice(0, 6000))
}

function contractIn(stage: Stage, name: SanitizerName, compiled: string): void {
  const { output, reports } = stage.run(name, [join('test', 'platforms', 'run.js')], compiled)
  const [, passed = '0', failed = ''] = /^(\d+) passed, (\d+) failed, \d+ skipped$/m.exec(output) ?? []
  const problems = reportsIn(reports)
  if (failed !== '0') problems.push(output)
  tell(`${name}: contract, processes`, Number(passed), problems)
}

function suiteIn(stage: Stage, name: SanitizerName, suite: string, file: string): void {
  const result = join(stage.folder, `${name}-${suite}.json`)
  const runner = join('node_modules', 'vitest', 'vitest.mjs')
  const args = [runner, 'run', '--testTimeout=180000', '--reporter=json', `--outputFile=${result}`, file]
  const { output, reports } = stage.run(name, args)
  const problems = reportsIn(reports)
  let passed = 0
  try {
    const counts = JSON.parse(readFileSync(result, 'utf8')) as { numPassedTests: number; numFailedTests: number }
    passed = counts.numPassedTests
    if (counts.numFailedTests > 0 || passed === 0) problems.push(`${counts.numFailedTests} tests failed\n${output}`)
  } catch {
    problems.push(output)
  }
  tell(`${name}: ${suite}`, passed, problems)
}

function exerciseIn(stage: Stage, name: SanitizerName): string[] {
  const { status, output, reports } = stage.run(name, ['exercise.js'])
  const problems = reportsIn(reports)
  if (status !== 0) problems.push(output)
  return problems
}

function find(stage: Stage, bug: Plant): void {
  const takeOut = plant(bug, stage.native)
  try {
    stage.build(bug.sanitizer)
    const found = exerciseIn(stage, bug.sanitizer).some((text) => bug.report.test(text) && ADDON.test(text))
    tell(`${bug.sanitizer}: planted, ${bug.title}`, found ? 1 : 0, found ? [] : ['it was not found'])
  } finally {
    takeOut()
  }
}

function checkSources(): void {
  if (!isTidyThere()) {
    console.log('skipped: this machine lacks the program clang-tidy')
    return
  }
  for (const [source, found] of tidy())
    tell(`clang-tidy: ${source}`, found === null ? 1 : 0, found === null ? [] : [found])
}

const only = process.argv.find((word) => word.startsWith('--only='))?.slice('--only='.length)
const short = process.argv.includes('--short')
const names = (Object.keys(SANITIZERS) as SanitizerName[]).filter((name) => only === undefined || only === name)

for (const name of names) {
  if (process.platform !== 'linux' || !libraryOf(SANITIZERS[name].library).startsWith('/')) {
    console.log(`skipped: this machine lacks Linux, or a gcc with ${SANITIZERS[name].library}`)
    continue
  }
  const stage = new Stage()
  try {
    const compiled = short ? null : stage.compileTests()
    stage.build(name)
    const problems = exerciseIn(stage, name)
    tell(`${name}: exercise`, problems.length === 0 ? 1 : 0, problems)
    if (compiled !== null) {
      contractIn(stage, name, compiled)
      for (const [suite, file] of Object.entries(SUITES)) suiteIn(stage, name, suite, file)
    }
    for (const bug of PLANTS.filter(({ sanitizer }) => sanitizer === name)) find(stage, bug)
  } finally {
    stage.remove()
  }
}
if (only === undefined || only === 'tidy') checkSources()

console.log(`\n${rows.join('\n')}\n`)
console.log(`${sum.passed} passed, ${sum.failed} failed`)
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1
