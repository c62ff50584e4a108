// npm run lab:coverage: runs the suites on a copy of the project that notes every line it runs, and prints of each source how
// many of its lines that do something were reached. A line that was not, and that unreached.ts gives no reason for, is a
// failure, and so is a reason for lines that were reached.
//
//   --suite <name>   one of them only: what it does not reach is told, but fails nothing
//   --keep           leaves the copy, and says where it is
import { parseArgs } from 'node:util'

import { cppLines, missingPrograms } from './cpp.js'
import { judge } from './judge.js'
import type { FileLines } from './lines.js'
import { Stage } from './stage.js'
import { run, SUITES } from './suites.js'
import { typescriptLines } from './typescript.js'
import { UNREACHED } from './unreached.js'

const { values } = parseArgs({
  options: { suite: { type: 'string' }, keep: { type: 'boolean', default: false } },
})
const suites = SUITES.filter(({ name }) => values.suite === undefined || name === values.suite)
if (suites.length === 0) throw new Error(`Expected one of ${SUITES.map(({ name }) => name).join(', ')}`)

const missing = process.platform === 'linux' ? missingPrograms() : ['Linux']
if (missing.length > 0) {
  console.log(`skipped: this machine lacks ${missing.join(', ')} (on Debian: clang, llvm, libclang-rt-dev)`)
} else {
  const stage = new Stage()
  try {
    for (const suite of suites) await run(suite, stage)
    process.exitCode = tell(read(stage), stage, values.suite === undefined) ? 0 : 1
  } finally {
    if (values.keep) console.log(`kept: ${stage.folder}`)
    else stage.remove()
  }
}

function read(stage: Stage): FileLines[] {
  return [...typescriptLines(stage.twins, stage.scripts), ...cppLines(stage.addon, stage.folder, stage.counters)]
}

/** Answers whether all was well. */
function tell(files: readonly FileLines[], stage: Stage, whole: boolean): boolean {
  const absent = stage.nativeSources().filter((source) => !files.some(({ file }) => file === source))
  const { unexplained, explained, stale } = judge(files, absent, UNREACHED)
  table(
    'TypeScript',
    files.filter(({ file }) => file.startsWith('src/')),
  )
  table(
    'C++',
    files.filter(({ file }) => file.startsWith('native/')),
  )

  console.log('\nnot reached, for a reason')
  for (const excuse of UNREACHED) {
    const numbers = explained.filter((one) => one.excuse === excuse).map(({ line }) => line.number)
    console.log(`  ${excuse.file}${numbers.length === 0 ? '' : `:${numbers.join(',')}`}  ${excuse.why}`)
  }
  if (unexplained.length > 0) console.log('\nnot reached')
  for (const { file, number, text } of unexplained) console.log(`  ${file}:${number}  ${text}`)
  if (!whole) return true
  if (stale.length > 0) console.log('\nreasons that do not hold')
  for (const { excuse, problem } of stale) console.log(`  ${excuse.file}: ${excuse.lines[0] ?? ''}  ${problem}`)

  const failed = new Set(unexplained.map(({ file }) => file)).size + stale.length
  const passed = files.length + absent.length + UNREACHED.length - failed
  console.log(`\n${passed} passed, ${failed} failed`)
  return failed === 0
}

function table(title: string, files: readonly FileLines[]): void {
  const rows = files
    .filter(({ reached }) => reached.size > 0)
    .map(({ file, reached }) => ({ file, lines: reached.size, hit: [...reached.values()].filter(Boolean).length }))
    .sort((one, other) => (one.file < other.file ? -1 : 1))
  const lines = rows.reduce((sum, row) => sum + row.lines, 0)
  const hit = rows.reduce((sum, row) => sum + row.hit, 0)
  console.log(`\n${title.padEnd(52)}   lines reached percent`)
  for (const row of [...rows, { file: 'together', lines, hit }]) {
    const percent = ((row.hit / row.lines) * 100).toFixed(1)
    console.log(
      `  ${row.file.padEnd(50)} ${String(row.lines).padStart(7)} ${String(row.hit).padStart(7)} ${percent.padStart(7)}`,
    )
  }
}
