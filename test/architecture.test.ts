// The layers of ARCHITECTURE.md, held to by machine: who imports whom, who knows the operating system, what the addon
// is built from and what it needs.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { missing, program } from './helpers/capabilities.js'
import { cycles, dangling, importsOf, readImportGraph, violations, type Direction } from './helpers/import-graph.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SRC = join(ROOT, 'src')
const NATIVE = join(ROOT, 'native')

const DIRECTIONS: readonly Direction[] = [
  {
    from: /^kernel\//,
    to: /^(?!kernel\/|errors\.ts$|events\.ts$|channels\.ts$).*\.ts$/,
    because: 'the seam knows nothing of what is built on it',
  },
  {
    from: /^coordination\//,
    to: /^(hold|hold-set|holdfast|index|inspect|stats)\.ts$|^stats\//,
    because: 'coordination knows no handles and no public functions',
  },
  {
    from: /^coordination\//,
    to: /^kernel\/(native-kernel|load-addon)\.ts$/,
    because: 'coordination knows the seam, not the addon',
  },
  {
    from: /^(?!kernel\/native-kernel\.ts$)/,
    to: /^kernel\/load-addon\.ts$/,
    because: 'the native kernel is the only door to the addon',
  },
  {
    from: /^(?!engine\.ts$)/,
    to: /^kernel\/native-kernel\.ts$/,
    because: 'the engine is chosen in one place',
  },
  {
    from: /^(?!stats\.ts$|adapters\/|cli(\.ts$|\/)|session(\.ts$|\/))/,
    to: /^index\.ts$/,
    because: 'the public names are for others',
  },
  {
    from: /^(?!stats\.ts$|stats\/|cli(\.ts$|\/))/,
    to: /^stats(\.ts$|\/)/,
    because: 'an entry point of its own costs nothing where it is not asked for',
  },
  {
    from: /^stats(\.ts$|\/)/,
    to: /^(coordination|kernel)\/|^(hold|hold-set|holdfast|inspect|options|owner)\.ts$/,
    because: 'statistics know events and public names, nothing of what makes them',
  },
  {
    from: /^(?!adapters\/)/,
    to: /^adapters\//,
    because: 'an adapter costs nothing where it is not asked for',
  },
  {
    from: /^adapters\//,
    to: /^(?!adapters\/|(index|errors|arguments)\.ts$).*\.ts$/,
    because: 'an adapter knows the public names',
  },
  {
    from: /^(?!session(\.ts$|\/))/,
    to: /^(door\.ts$|session(\.ts$|\/))/,
    because: 'the session writer costs nothing where it is not asked for, and its door is for nobody else',
  },
  {
    from: /^session(\.ts$|\/)/,
    to: /^(?!session\/|(index|door|errors|arguments|channels)\.ts$).*\.ts$/,
    because: 'the session writer knows the public names, and its door',
  },
  {
    from: /^(?!postgres(\.ts$|\/))/,
    to: /^postgres(\.ts$|\/)/,
    because: 'another engine costs nothing where it is not asked for',
  },
  {
    from: /^(?!cli(\.ts$|\/))/,
    to: /^cli(\.ts$|\/|-door\.ts$)/,
    because: 'the program is built on the package, not the package on the program',
  },
  {
    from: /^cli(\.ts$|\/)/,
    to: /^(?!cli\/|(index|stats|cli-door)\.ts$).*\.ts$/,
    because: 'the program knows the public names, and its door',
  },
  {
    from: /^(?!kernel\/load-addon\.ts$|postgres\/pg-adapter\.ts$)/,
    to: /^(?!node:)(?!.*\.ts$)/,
    because: 'only the addon and the database client need a package',
  },
]

/** What the files of the built package import. */
interface Loads {
  readonly names: string[]
  readonly index: string[]
  readonly core: string[]
  readonly stats: string[]
  readonly session: string[]
  readonly adapters: string[][]
  readonly postgres: string[]
  readonly program: string[]
}

function sources(folder: string): { file: string; text: string }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|cc|h)$/.test(file))
    .map((file) => ({ file: file.replaceAll('\\', '/'), text: readFileSync(join(folder, file), 'utf8') }))
}

function node(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
}

describe('imports', () => {
  const graph = readImportGraph(SRC)

  test('point downwards only', () => {
    expect(graph.size).toBeGreaterThan(20)
    expect(dangling(graph)).toEqual([])
    expect(violations(graph, DIRECTIONS)).toEqual([])
  })

  test('make no cycle', () => {
    expect(cycles(graph)).toEqual([])
  })

  test('that point upwards are found', () => {
    const bad = new Map([
      ['kernel/clock.ts', ['coordination/turn.ts']],
      ['kernel/kernel.ts', ['options.ts']],
      ['coordination/turn.ts', ['hold.ts', 'kernel/native-kernel.ts', 'kernel/kernel.ts']],
      ['holdfast.ts', ['kernel/load-addon.ts', 'index.ts', 'left-pad', 'node:fs']],
      ['index.ts', ['stats.ts']],
      ['stats.ts', ['index.ts', 'stats/collector.ts', 'holdfast.ts']],
      ['stats/collector.ts', ['events.ts', 'index.ts', 'coordination/turn.ts']],
      ['hold.ts', ['adapters/session-write-lock.ts']],
      ['adapters/session-write-lock.ts', ['index.ts', 'errors.ts', 'arguments.ts', 'adapters/own.ts', 'hold.ts']],
      ['owner.ts', ['door.ts', 'session/writer.ts']],
      ['session/writer.ts', ['index.ts', 'door.ts', 'channels.ts', 'session/repair.ts', 'engine.ts']],
      ['hold-set.ts', ['cli/text.ts', 'cli-door.ts']],
      ['cli.ts', ['cli/run.ts', 'engine.ts']],
      ['cli/run.ts', ['index.ts', 'stats.ts', 'cli-door.ts', 'cli/text.ts', 'errors.ts', 'node:fs']],
    ])
    expect(violations(bad, DIRECTIONS).map((text) => text.replace(/:(?= ).*/, ''))).toEqual([
      'kernel/clock.ts imports coordination/turn.ts',
      'kernel/kernel.ts imports options.ts',
      'coordination/turn.ts imports hold.ts',
      'coordination/turn.ts imports kernel/native-kernel.ts',
      'coordination/turn.ts imports kernel/native-kernel.ts',
      'holdfast.ts imports kernel/load-addon.ts',
      'holdfast.ts imports index.ts',
      'holdfast.ts imports left-pad',
      'index.ts imports stats.ts',
      'stats.ts imports holdfast.ts',
      'stats/collector.ts imports index.ts',
      'stats/collector.ts imports coordination/turn.ts',
      'hold.ts imports adapters/session-write-lock.ts',
      'adapters/session-write-lock.ts imports hold.ts',
      'owner.ts imports door.ts',
      'owner.ts imports session/writer.ts',
      'session/writer.ts imports engine.ts',
      'hold-set.ts imports cli/text.ts',
      'hold-set.ts imports cli-door.ts',
      'cli.ts imports engine.ts',
      'cli/run.ts imports errors.ts',
    ])
  })

  test('in a circle are found', () => {
    const bad = new Map([
      ['a.ts', ['b.ts']],
      ['b.ts', ['c.ts', 'd.ts']],
      ['c.ts', ['node:fs']],
      ['d.ts', ['b.ts']],
    ])
    expect(cycles(bad)).toEqual(['b.ts → d.ts → b.ts'])
    expect(dangling(new Map([['a.ts', ['b.ts', 'node:fs']]]))).toEqual(['a.ts imports b.ts'])
  })

  test('are read from every kind of statement', () => {
    const text = `
      import type { A } from './a.js'
      import b, { type C } from '../b.js'
      export { d } from './d.js'
      export * from 'node:fs'
      import './e.js'
      const f = await import('./f.js')
      // import './comment.js'`
    expect(importsOf('sub/file.ts', text).sort()).toEqual([
      'b.ts',
      'node:fs',
      'sub/a.ts',
      'sub/d.ts',
      'sub/e.ts',
      'sub/f.ts',
    ])
  })
})

describe('the operating system', () => {
  test('is named below the seam only, and by the program, which starts others and looks at mounts', () => {
    const named = sources(SRC).filter(({ text }) => /process\.platform|\bplatform\(\)/.test(text))
    expect(named.map(({ file }) => file).filter((file) => !/^(kernel|cli)\/|^cli\.ts$/.test(file))).toEqual([])
  })

  test('has one file of each kind, with the same functions in the same order', () => {
    const functions = (file: string): string[] =>
      [
        ...readFileSync(join(NATIVE, file), 'utf8').matchAll(
          /^(?:\w+ )+((?:LockFile|DataFile|Mutex)::\w+|StartDetachedThread|PinLibrary|MoveOver|RemoveFile|SyncFolderOf)\(/gm,
        ),
      ].map((match) => String(match[1]))
    for (const kind of ['lock', 'data_file', 'thread']) {
      expect(functions(`${kind}_posix.cc`).length).toBeGreaterThan(3)
      expect(functions(`${kind}_posix.cc`)).toEqual(functions(`${kind}_windows.cc`))
    }
  })

  test('decides nothing inside a native function: it is chosen by file', () => {
    const conditional = sources(NATIVE).filter(({ text }) => /^\s*#\s*(if|ifdef|elif)\b/m.test(text))
    // What macOS has and Linux has not: a constant, a list of mounts, a timed wait. And what a mutex is made of.
    const expected = ['data_file_posix.cc', 'lock_posix.cc', 'mounts_posix.cc', 'thread.h', 'thread_posix.cc']
    expect(conditional.map(({ file }) => file).sort()).toEqual(expected)
  })
})

describe('the addon', () => {
  const listed = readFileSync(join(NATIVE, 'sources.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const BINARY = join(ROOT, 'build', 'Release', 'holdfast.node')

  test('is built from every file in native/, and from nothing else', () => {
    for (const line of listed) expect(line).toMatch(/^(all|posix|windows) \w+\.cc$/)
    const files = readdirSync(NATIVE).filter((file) => file.endsWith('.cc'))
    expect(listed.map((line) => line.split(' ')[1]).sort()).toEqual(files.sort())
  })

  test('knows Node-API alone, neither libuv nor V8', () => {
    const including = sources(NATIVE).filter(({ text }) => /#include\s*[<"](uv|v8|node)\b[\w./-]*\.h[>"]/.test(text))
    expect(including.map(({ file }) => file)).toEqual([])
  })

  test.skipIf(process.platform !== 'linux' || missing(program('readelf')))('needs no C++ library at run time', () => {
    const { stdout } = spawnSync('readelf', ['--dynamic', '--syms', '--wide', BINARY], { encoding: 'utf8' })
    const needed = [...stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1])
    expect(needed).toContainEqual(expect.stringMatching(/^libc\./))
    expect(needed.filter((name) => /stdc\+\+|libc\+\+|libgcc_s/.test(String(name)))).toEqual([])
    // Mangled names that nothing in the library defines: operator new and its like.
    expect([...stdout.matchAll(/UND (_Z\S+|__cxa_(?!finalize)\S+)/g)].map((match) => match[1])).toEqual([])
  })

  test.skipIf(!existsSync(BINARY))('is loaded by the first call, not by the import', () => {
    const script = `
      import { inspect } from 'holdfast'
      const loaded = () => process.report.getReport().sharedObjects.some((name) => name.endsWith('holdfast.node'))
      const before = loaded()
      inspect('no-such-file')
      console.log(before, loaded())`
    expect(node('--input-type=module', '-e', script).stdout.trim()).toBe('false true')
  })
})

describe('the package', () => {
  const names = [
    'LockDeadlockError',
    'LockError',
    'LockLostError',
    'LockTimeoutError',
    'Owner',
    'acquire',
    'acquireAll',
    'holds',
    'inspect',
    'isLockError',
    'releaseAll',
    'tryAcquire',
    'withLock',
  ]

  test('exports the public names and nothing else', () => {
    const script = `console.log(JSON.stringify(Object.keys(await import('holdfast'))))`
    expect(JSON.parse(node('--input-type=module', '-e', script).stdout)).toEqual(names)
  })

  test('has entry points of their own for what nobody loads who does not ask for it', () => {
    const script = `
      import { readFileSync } from 'node:fs'
      const names = Object.keys(await import('holdfast/stats'))
      const loads = (file) => {
        const text = readFileSync(new URL(file, import.meta.resolve('holdfast')), 'utf8')
        return [...text.matchAll(/from "(.*?)"|import\\("(.*?)"\\)/g)].map((match) => match[1] ?? 'later ' + match[2])
      }
      const adapters = ['session-write-lock', 'proper-lockfile'].map((name) => loads('adapters/' + name + '.js'))
      const session = loads('session.js')
      const postgres = loads('postgres.js')
      const program = loads('cli.js')
      const shared = { index: loads('index.js'), core: loads('core.js'), stats: loads('stats.js') }
      const files = { ...shared, session, adapters, postgres, program }
      console.log(JSON.stringify({ names, ...files }))`
    const loaded = JSON.parse(node('--input-type=module', '-e', script).stdout) as Loads
    const { names, index, core, stats, session, adapters, postgres, program } = loaded
    expect(names).toEqual(['collectStats'])
    expect(index).toEqual(['./core.js'])
    expect(core.filter((file) => !file.startsWith('node:'))).toEqual([])
    expect(core).not.toContain('node:perf_hooks')
    expect(stats).toContain('./core.js')
    expect(session).toContain('./core.js')
    expect(session.filter((file) => !/^(node:.*|\.\/core\.js)$/.test(file))).toEqual([])
    for (const adapter of adapters) {
      expect(adapter).toContain('../core.js')
      expect(adapter.filter((file) => !/^(node:.*|\.\.\/core\.js)$/.test(file))).toEqual([])
    }
    // The client of the database, when one connects.
    expect(postgres).toEqual(expect.arrayContaining(['./core.js', 'later pg']))
    expect(postgres.filter((file) => !/^(node:.*|\.\/core\.js|later pg)$/.test(file))).toEqual([])
    // Each command, and all that locks, when it is needed.
    expect(program).toContain('later ./cli/run.js')
    expect(program.filter((file) => !/^(node:.*|\.\/cli\/shared\.js|later .*)$/.test(file))).toEqual([])
  })

  test.for([
    'index',
    'core',
    'session',
    'stats',
    'adapters/session-write-lock',
    'adapters/proper-lockfile',
    'postgres',
    'cli',
  ])('has no back door to its inner files: dist/%s.js', (file) => {
    const script = `await import('holdfast/dist/${file}.js')`
    expect(node('--input-type=module', '-e', script).stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  const canRequire = { name: 'require() of ES modules', there: process.features.require_module }
  test.skipIf(missing(canRequire))('can be required from CommonJS', () => {
    const script = `console.log(JSON.stringify(Object.keys(require('holdfast')).filter((name) => name !== '__esModule').sort()))`
    const { stdout, stderr } = node('--no-warnings', '-e', script)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual(names)
  })
})
