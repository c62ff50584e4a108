// Which binary is loaded, of all that may lie in an installed package, and what is said when none does.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { afterEach, describe, expect, test, vi } from 'vitest'

import { isLockError, type LockError } from '../../src/index.js'
import { missing, type Capability } from '../helpers/capabilities.js'
import { addon, BUILT, PackageCopy, PREBUILDS } from '../helpers/package-copy.js'
import { scratch } from '../helpers/scratch.js'

const PLAIN = join(PREBUILDS, 'holdfast.node')
const GLIBC = join(PREBUILDS, 'holdfast.glibc.node')
const MUSL = join(PREBUILDS, 'holdfast.musl.node')

const elf: Capability = { name: 'binaries in the ELF format', there: addon.toString('latin1', 1, 4) === 'ELF' }

/** The same binary for a machine that nobody has. */
function forAnotherMachine(): Buffer {
  const bytes = Buffer.from(addon)
  bytes.writeUInt16LE(0xfeed, 18)
  return bytes
}

/** An addon, but not ours. */
function foreignAddon(): Buffer {
  const require = createRequire(createRequire(import.meta.url).resolve('unrs-resolver/package.json'))
  const triple = readdirSync(join(dirname(require.resolve('unrs-resolver/package.json')), '..', '@unrs'))[0] ?? ''
  const folder = dirname(require.resolve(`@unrs/${triple}/package.json`))
  const file = readdirSync(folder).find((name) => name.endsWith('.node')) ?? ''
  return readFileSync(join(folder, file))
}

async function failure(copy: PackageCopy): Promise<LockError> {
  const { tryAcquire } = await copy.load()
  try {
    tryAcquire(join(scratch(), 'data'))
  } catch (error) {
    if (isLockError(error, 'ERR_LOCK_ADDON')) return error
    throw error
  }
  throw new Error('it has loaded')
}

/** The output of a program of its own, without what vitest does to imports. */
function run(copy: PackageCopy, statements: string, ...args: string[]): string {
  const program = `const { holds, tryAcquire } = await import(${JSON.stringify(copy.entry)}); ${statements}`
  const flags = ['--input-type=module', '-e', program]
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, ...args], { encoding: 'utf8' })
  expect(stdout, stderr).not.toBe('')
  return stdout
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('a binary is found', () => {
  test('that was built from source', async () => {
    expect(await new PackageCopy({ [BUILT]: addon }).locks()).toBe(true)
  })

  test.each([PLAIN, GLIBC, MUSL])('that was shipped as %s', async (path) => {
    expect(await new PackageCopy({ [path]: addon }).locks()).toBe(true)
  })

  test('that was built from source, rather than a shipped one', async () => {
    expect(await new PackageCopy({ [BUILT]: addon, [PLAIN]: 'not loaded' }).locks()).toBe(true)
  })

  test('when what node-gyp-build takes for the libc of this machine does not load', async () => {
    expect(await new PackageCopy({ [GLIBC]: 'for another libc', [MUSL]: addon }).locks()).toBe(true)
    expect(await new PackageCopy({ [GLIBC]: addon, [MUSL]: 'for another libc' }).locks()).toBe(true)
  })

  test('when what was built here was built on another machine', async () => {
    expect(await new PackageCopy({ [BUILT]: 'of another machine', [PLAIN]: addon }).locks()).toBe(true)
  })

  test('beside a bundle, which has neither the layout of the package nor its dependency', async () => {
    const copy = new PackageCopy({ [join('dist', MUSL)]: addon })
    rmSync(join(copy.folder, 'node_modules'), { recursive: true })
    expect(await copy.locks()).toBe(true)
  })

  test('when npm was told of another platform', async () => {
    vi.stubEnv('npm_config_platform', 'plan9')
    vi.stubEnv('npm_config_arch', 'pdp11')
    expect(await new PackageCopy({ [PLAIN]: addon }).locks()).toBe(true)
  })

  test('in the folder that the environment names', async () => {
    const elsewhere = new PackageCopy({ [PLAIN]: addon })
    vi.stubEnv('HOLDFAST_PREBUILD', elsewhere.folder)
    expect(await new PackageCopy({}).locks()).toBe(true)
  })

  test('when it has come since the last call', async () => {
    const copy = new PackageCopy({})
    expect((await failure(copy)).code).toBe('ERR_LOCK_ADDON')
    copy.put(BUILT, addon)
    expect(await copy.locks()).toBe(true)
  })

  test.each(['with spaces', 'ünïcödé 世界', '100%25', 'a#b', "it's (1) [x]"])('in a folder named %s', (name) => {
    const copy = new PackageCopy({ [PLAIN]: addon }, join(scratch(), name, 'node_modules', 'holdfast'))
    expect(run(copy, `console.log(tryAcquire(process.argv[1]).held)`, join(scratch(), 'data'))).toBe('true\n')
  })

  test('through a link to the package', async () => {
    const copy = new PackageCopy({ [PLAIN]: addon })
    const real = join(scratch(), 'elsewhere')
    renameSync(copy.folder, real)
    symlinkSync(real, copy.folder, 'junction')
    expect(await copy.locks()).toBe(true)
  })

  test('without anything being written into the package', async () => {
    const copy = new PackageCopy({ [PLAIN]: addon })
    const before = readdirSync(copy.folder, { recursive: true })
    await copy.locks()
    expect(readdirSync(copy.folder, { recursive: true })).toEqual(before)
  })
})

describe('without a binary that loads', () => {
  const cases: [what: string, binaries: Record<string, () => Buffer | string>, why: Record<string, RegExp>][] = [
    ['there are none at all', {}, { [PREBUILDS]: /ENOENT/, [join('build', 'Release')]: /ENOENT/ }],
    ['a file is empty', { [PLAIN]: () => '' }, { [PLAIN]: /./ }],
    ['a file is cut off', { [PLAIN]: () => addon.subarray(0, 1000) }, { [PLAIN]: /./ }],
    ['the last byte of a file is missing', { [PLAIN]: () => addon.subarray(0, -1) }, { [PLAIN]: /./ }],
    ['a file is text', { [GLIBC]: () => '<html>404</html>' }, { [GLIBC]: /./ }],
    ['it is another addon', { [BUILT]: foreignAddon }, { [BUILT]: /another addon/ }],
    [
      'each is broken in its own way',
      { [BUILT]: () => '', [GLIBC]: () => 'text', [MUSL]: () => addon.subarray(0, 100) },
      { [BUILT]: /./, [GLIBC]: /./, [MUSL]: /./ },
    ],
    ['the folder has other files', { [join(PREBUILDS, 'README')]: () => '' }, { [PREBUILDS]: /there is no binary/ }],
  ]

  test.each(cases)('because %s, the error names each place and why', async (_, binaries, why) => {
    const bytes = Object.fromEntries(Object.entries(binaries).map(([path, make]) => [path, make()]))
    const copy = new PackageCopy(bytes)
    const { message } = await failure(copy)
    const lines = message.split('\n')
    for (const [path, reason] of Object.entries(why)) {
      const place = `  ${join(copy.folder, path)}: `
      const told = lines.filter((line) => line.startsWith(place))
      expect(told, message).toHaveLength(1)
      expect(told[0]?.slice(place.length)).toMatch(reason)
    }
  })

  test.skipIf(missing(elf))('because it is for another machine, the error has what the loader says', async () => {
    const copy = new PackageCopy({ [PLAIN]: forAnotherMachine() })
    expect((await failure(copy)).message).toMatch(/holdfast\.node: .*(cannot open|Exec format|ELF)/)
  })

  test('the error names this platform, its libc and this Node', async () => {
    const { message } = await failure(new PackageCopy({}))
    const libc = process.platform === 'linux' ? '-(glibc|musl)' : ''
    const [first] = message.split('\n')
    expect(first).toMatch(new RegExp(`on ${process.platform}-${process.arch}${libc} \\(Node ${process.version}\\)`))
  })

  test('the error has the command that builds one, and where to run it; the README has the same', async () => {
    const copy = new PackageCopy({})
    const last = (await failure(copy)).message.split('\n').at(-1)
    const [, folder, command = 'none'] = /run in (.*?): (.*)$/.exec(last ?? '') ?? []
    expect(folder).toBe(copy.folder)
    expect(readFileSync(new URL('../../README.md', import.meta.url), 'utf8')).toContain(command)
  })

  test('the error comes from every function, and no lock file is made', async () => {
    const { acquire, acquireAll, inspect, tryAcquire, withLock } = await new PackageCopy({}).load()
    const path = join(scratch(), 'data')
    const code = { code: 'ERR_LOCK_ADDON' }
    await expect(acquire(path)).rejects.toMatchObject(code)
    await expect(acquireAll([path])).rejects.toMatchObject(code)
    await expect(withLock(path, () => 'locked')).rejects.toMatchObject(code)
    expect(() => tryAcquire(path)).toThrow(expect.objectContaining(code))
    expect(() => inspect(path)).toThrow(expect.objectContaining(code))
    expect(existsSync(`${path}.hold`)).toBe(false)
  })

  test('the report that Node makes on request is as the program wants it', async () => {
    await failure(new PackageCopy({}))
    const { excludeNetwork = false } = process.report as { excludeNetwork?: boolean }
    expect(excludeNetwork).toBe(false)
  })
})

test('importing the package loads no addon; the first call that needs it does', () => {
  const statements = `
    const loaded = () => process.report.getReport().sharedObjects.some((file) => file.endsWith('holdfast.node'))
    const before = [loaded(), holds().length, loaded()]
    tryAcquire(process.argv[1]).release()
    console.log(JSON.stringify([...before, loaded()]))`
  const output = run(new PackageCopy({ [PLAIN]: addon }), statements, join(scratch(), 'data'))
  expect(JSON.parse(output)).toEqual([false, 0, false, true])
})

test('importing works where no call does', async () => {
  const copy = new PackageCopy({})
  rmSync(join(copy.folder, 'node_modules'), { recursive: true })
  expect((await copy.load()).holds()).toEqual([])
})
