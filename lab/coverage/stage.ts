// A copy of the project in which every line that runs is noted, so that the checkout and what is built there stay as they are.
//
// TypeScript: each source has a twin beside it from which the types are blanked out. It stands at the same places of the
// same lines, and Node runs it as it is: what V8 notes of it holds for the source, with no source map and no bundle between.
// dist/ is the same files. C++: clang counts in a file that every process maps, so that a process that is killed has counted
// as well.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import blankTypes from 'ts-blank-space'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const require = createRequire(import.meta.url)

/** What the suites need of the project. */
const PARTS = [
  ...['.ci', '.github', 'bench', 'dist', 'docs', 'examples', 'lab', 'native', 'scripts', 'spec', 'src', 'test'],
  ...['binding.gyp', 'CHANGELOG.md', 'CMakeLists.txt', 'CONTRIBUTING.md', 'eslint.config.js', 'LICENSE', 'README.md'],
  ...['package.json', 'package-lock.json', 'rolldown.config.js', 'SECURITY.md', 'tsconfig.json', 'vitest.config.ts'],
]

const COMPILER = [
  ...['-std=c++17', '-fPIC', '-shared', '-nostdlib++', '-O1', '-g', '-fvisibility=hidden'],
  ...['-fno-exceptions', '-fno-rtti', '-fno-threadsafe-statics', '-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS'],
  ...['-fprofile-instr-generate', '-fcoverage-mapping'],
  ...['-mllvm', '-runtime-counter-relocation'], // what a mapped file of counters needs
]

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-coverage-'))
  /** Of each source of src/, by its path in the project: what Node runs instead of it. */
  readonly twins = new Map<string, string>()
  readonly addon = join(this.folder, 'build', 'Release', 'holdfast.node')
  readonly scripts = join(this.folder, 'noted', 'scripts')
  readonly counters = join(this.folder, 'noted', 'counters')

  constructor() {
    chmodSync(this.folder, 0o755) // suites run as other users as well
    for (const part of PARTS) cpSync(join(ROOT, part), join(this.folder, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'))
    for (const folder of [this.scripts, this.counters]) {
      mkdirSync(folder, { recursive: true })
      chmodSync(folder, 0o1777)
    }
    this.blank()
    this.build()
  }

  /** What makes a Node, and every process it starts, take notes. */
  get environment(): NodeJS.ProcessEnv {
    return { NODE_V8_COVERAGE: this.scripts, LLVM_PROFILE_FILE: join(this.counters, '%m%c.profraw') }
  }

  nativeSources(): string[] {
    const lines = readFileSync(join(this.folder, 'native', 'sources.txt'), 'utf8').split('\n')
    return lines.flatMap((line) => /^\w+ (.*)$/.exec(line)?.[1] ?? []).map((file) => `native/${file}`)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  private blank(): void {
    const src = join(this.folder, 'src')
    for (const name of readdirSync(join(this.folder, 'dist'), { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.js')) rmSync(join(this.folder, 'dist', name))
    }
    for (const name of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue
      const twin = blankTypes(readFileSync(join(src, name), 'utf8'), (node) => {
        throw new Error(`src/${name} has more than types that can be erased: ${node.getText()}`)
      })
      this.twins.set(join('src', name), twin)
      const simulated = join('lab', 'dist', 'simulation', 'src')
      for (const folder of ['src', 'dist', simulated]) {
        const place = join(this.folder, folder, name.replace(/\.ts$/, '.js'))
        mkdirSync(dirname(place), { recursive: true })
        writeFileSync(place, twin)
      }
    }
  }

  private build(): void {
    mkdirSync(dirname(this.addon), { recursive: true })
    const lines = readFileSync(join(this.folder, 'native', 'sources.txt'), 'utf8').split('\n')
    const sources = lines.flatMap((line) => /^(?:all|posix) (.*)$/.exec(line)?.[1] ?? [])
    const headers = [
      dirname(require.resolve('node-addon-api/package.json')),
      join(dirname(require.resolve('node-api-headers/package.json')), 'include'),
    ]
    const args = [...COMPILER, ...headers.flatMap((folder) => ['-isystem', folder]), ...sources, '-o', this.addon]
    const { status, stderr } = spawnSync('clang++', args, { cwd: join(this.folder, 'native'), encoding: 'utf8' })
    if (status !== 0) throw new Error(`The addon does not build:\n${stderr}`)
  }
}

export function inProject(stage: Stage, path: string): string {
  return relative(stage.folder, path)
}
