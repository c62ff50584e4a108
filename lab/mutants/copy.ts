// A copy of the project in a temporary folder, in which bugs are planted and tests are run. Nothing of the project is changed.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Mutant } from './mutants.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** What the tests need of it. */
const PARTS = [
  ...['package.json', 'tsconfig.json', 'rolldown.config.js', 'vitest.config.ts', 'binding.gyp', 'README.md'],
  ...['dist', 'docs', 'examples', 'lab', 'native', 'scripts', 'src', 'test'],
  join('build', 'Release', 'holdfast.node'), // and not the Makefile, which is for where it was made
]
const ROLLDOWN = join('node_modules', 'rolldown', 'bin', 'cli.mjs')
const VITEST = join('node_modules', 'vitest', 'vitest.mjs')
/** A test that hangs has noticed as well. */
const PATIENCE = 180_000

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

export class ProjectCopy {
  private readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'))

  constructor() {
    for (const part of PARTS) {
      cpSync(join(ROOT, part), join(this.folder, part), { recursive: true, preserveTimestamps: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'))
  }

  /** Runs something with a bug, which is taken out again afterwards. */
  with<Result>({ name, file, find, replace }: Mutant, run: () => Result): Result {
    const path = join(this.folder, file)
    const sound = readFileSync(path, 'utf8')
    if (sound.split(find).length !== 2) throw new Error(`Expected once in ${file}, for "${name}": ${find}`)
    writeFileSync(
      path,
      sound.replace(find, () => replace),
    )
    try {
      this.build(file)
      return run()
    } finally {
      writeFileSync(path, sound)
      this.build(file)
    }
  }

  /** The file of tests in which something fails, and what; null if all pass. */
  firstFailure(tests: readonly string[]): string | null {
    const report = join(this.folder, 'report.json')
    const options = ['run', '--bail=1', '--reporter=json', `--outputFile=${report}`, ...new Set(tests)]
    rmSync(report, { force: true })
    const { status } = spawnSync(process.execPath, [VITEST, ...options], { cwd: this.folder, timeout: PATIENCE })
    if (status === 0) return null
    return this.failureIn(report) ?? `${tests.join(', ')}: no end`
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  private build(file: string): void {
    const native = file.startsWith('native/')
    const [program, ...options] = native ? [join('scripts', 'build-addon.mjs')] : [ROLLDOWN, '--config']
    const { status, stderr } = spawnSync(process.execPath, [program, ...options], {
      cwd: this.folder,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`Expected ${file} to build:\n${stderr}`)
  }

  private failureIn(report: string): string | null {
    try {
      const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
      const failed = testResults.find(({ status }) => status === 'failed')
      if (failed === undefined) return null
      const test = failed.assertionResults.find(({ status }) => status === 'failed')
      return `${relative(this.folder, failed.name)}: ${test?.fullName ?? 'it does not run'}`
    } catch {
      return null // it was ended before it wrote any
    }
  }
}
