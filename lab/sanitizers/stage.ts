// A copy of the project in which the addon is built with a sanitizer, planted with bugs and run, so that the checkout and its
// own build stay as they are.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const EXERCISE = fileURLToPath(new URL('exercise.js', import.meta.url))

const PARTS = [
  'native',
  'dist',
  'src',
  'test',
  'scripts',
  'CMakeLists.txt',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
]

export type SanitizerName = 'address' | 'thread'

interface Sanitizer {
  /** For the compiler. */
  readonly flags: string
  readonly library: string
  readonly options: (log: string) => NodeJS.ProcessEnv
}

export const SANITIZERS: Record<SanitizerName, Sanitizer> = {
  address: {
    flags: 'address,undefined',
    library: 'libasan.so',
    options: (log) => ({
      ASAN_OPTIONS: `detect_leaks=1:log_exe_name=1:log_path=${log}`,
      // Beside the address sanitizer it writes to no file: what it finds ends the process, and the suite sees that.
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
      // Leaks are looked for in the reports: those of other programs must not change how these end.
      LSAN_OPTIONS: 'exitcode=0:print_suppressions=0',
    }),
  },
  thread: {
    flags: 'thread',
    library: 'libtsan.so',
    // Of what Node does, a sanitizer that it was not built with sees only half.
    options: (log) => ({ TSAN_OPTIONS: `exitcode=0:ignore_noninstrumented_modules=1:log_exe_name=1:log_path=${log}` }),
  },
}

/** Milliseconds: a suite that does not end has failed. */
const LONGEST = 900_000

export interface Ended {
  readonly status: number | null
  readonly output: string
}

export class Stage {
  readonly folder: string
  private runs = 0

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'holdfast-sanitizers-'))
    for (const part of PARTS) cpSync(join(ROOT, part), join(this.folder, part), { recursive: true })
    cpSync(EXERCISE, join(this.folder, 'exercise.js'))
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'))
  }

  get native(): string {
    return join(this.folder, 'native')
  }

  /** The tests that need no test runner, for run() with `test/platforms/run.js` in the folder that is answered. */
  compileTests(): string {
    const compiled = join(this.folder, 'compiled')
    const stage = JSON.stringify(join(this.folder, 'scripts', 'platforms', 'stage.mjs'))
    const script = `import { compileTests } from ${stage}; compileTests(${JSON.stringify(this.folder)}, ${JSON.stringify(compiled)})`
    const { status, output } = this.spawn(process.execPath, ['--input-type=module', '-e', script], this.folder, {})
    if (status !== 0) throw new Error(`the tests do not compile:\n${output}`)
    return compiled
  }

  /** Builds the sources as they are now; everything that runs here uses that build from then on. */
  build(name: SanitizerName): void {
    const output = `build-sanitizer-${name}`
    const args = ['--no-install', 'cmake-js', 'build', '--silent', '-O', output]
    const built = this.spawn('nice', ['npx', ...args, `--CDHOLDFAST_SANITIZE=${SANITIZERS[name].flags}`], this.folder, {
      CXXFLAGS: '-fno-sanitize=vptr', // there is no RTTI
    })
    if (built.status !== 0) throw new Error(`the addon does not build with ${name}:\n${built.output}`)
    for (const root of [this.folder, join(this.folder, 'compiled')]) {
      const place = join(root, 'build', 'Release', 'holdfast.node')
      mkdirSync(dirname(place), { recursive: true })
      cpSync(join(this.folder, output, 'Release', 'holdfast.node'), place)
    }
  }

  /** A Node with that sanitizer; answers how it ended, and the folder of the reports. */
  run(name: SanitizerName, args: readonly string[], cwd = this.folder): Ended & { reports: string } {
    const reports = join(this.folder, `reports-${++this.runs}`)
    mkdirSync(reports)
    const { library, options } = SANITIZERS[name]
    const env = { ...options(join(reports, 'report')), LD_PRELOAD: libraryOf(library) }
    return { ...this.spawn(process.execPath, args, cwd, env), reports }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  private spawn(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Ended {
    const options = {
      cwd,
      env: { ...process.env, NO_COLOR: '1', ...env },
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: LONGEST,
      killSignal: 'SIGKILL',
    } as const
    const { status, stdout, stderr } = spawnSync(program, args, options)
    return { status, output: `${stdout}${stderr}` }
  }
}

/** Where the compiler has that library of its own; a name without a path where it has none. */
export function libraryOf(name: string): string {
  return spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim()
}
