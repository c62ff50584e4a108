// npm run lab:mutants: plants each bug of mutants.ts in a copy of the project, and sees that its tests fail.
//
//   --only <text>   bugs whose name has it
//
// The copy is in a temporary folder; nothing here is changed. Ends with the number of bugs that were caught and of those that
// were not.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { MUTANTS, type Mutant } from './mutants.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** What the tests need of it. */
const PARTS = [
  ...['package.json', 'tsconfig.json', 'rolldown.config.js', 'vitest.config.ts', 'binding.gyp', 'README.md'],
  ...['build', 'dist', 'docs', 'examples', 'lab', 'native', 'scripts', 'src', 'test'],
]
const ROLLDOWN = join('node_modules', 'rolldown', 'bin', 'cli.mjs')
const VITEST = join('node_modules', 'vitest', 'vitest.mjs')
/** A test that hangs has noticed as well. */
const PATIENCE = 180_000

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const { only } = values
const mutants = MUTANTS.filter(({ name }) => name.includes(only))
if (mutants.length === 0) throw new Error(`Expected --only with a part of the name of a bug, got ${only}`)

const copy = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'))
let missed = 0
try {
  for (const part of PARTS) cpSync(join(ROOT, part), join(copy, part), { recursive: true, preserveTimestamps: true })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  const sound = firstFailure([...new Set(mutants.flatMap(({ tests }) => tests))])
  if (sound !== null) throw new Error(`Expected tests that pass without a bug: ${sound}`)
  for (const mutant of mutants) {
    const caught = planted(mutant, () => firstFailure(mutant.tests))
    if (caught === null) missed++
    console.log(
      `${caught === null ? 'MISSED' : 'caught'}  ${mutant.name} (${mutant.file})\n        ${caught ?? ''}`.trimEnd(),
    )
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
console.log(`${mutants.length - missed} passed, ${missed} failed`)
process.exitCode = missed === 0 ? 0 : 1

/** Undone afterwards, and built again. */
function planted<Result>({ name, file, find, replace }: Mutant, look: () => Result): Result {
  const path = join(copy, file)
  const sound = readFileSync(path, 'utf8')
  if (sound.split(find).length !== 2) throw new Error(`Expected once in ${file}, for "${name}": ${find}`)
  writeFileSync(
    path,
    sound.replace(find, () => replace),
  )
  try {
    build(file)
    return look()
  } finally {
    writeFileSync(path, sound)
    build(file)
  }
}

function build(file: string): void {
  const native = file.startsWith('native/')
  const [program, ...options] = native ? [join('scripts', 'build-addon.mjs')] : [ROLLDOWN, '--config']
  const { status, stderr } = spawnSync(process.execPath, [program, ...options], { cwd: copy, encoding: 'utf8' })
  if (status !== 0) throw new Error(`Expected ${file} to build:\n${stderr}`)
}

/** The first test that fails, or does not end; null if all pass. */
function firstFailure(tests: readonly string[]): string | null {
  const report = join(copy, 'report.json')
  const options = ['run', '--bail=1', '--reporter=json', `--outputFile=${report}`, ...tests]
  rmSync(report, { force: true })
  const { status } = spawnSync(process.execPath, [VITEST, ...options], { cwd: copy, timeout: PATIENCE })
  if (status === 0) return null
  return failureIn(report) ?? 'a test that does not end'
}

interface Report {
  readonly testResults: readonly {
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

function failureIn(path: string): string | null {
  try {
    const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as Report
    const failed = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .find(({ status }) => status === 'failed')
    return failed?.fullName ?? testResults.find(({ message }) => message !== '')?.message.split('\n')[0] ?? null
  } catch {
    return null
  }
}
