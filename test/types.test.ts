// What somebody gets who installs the package: its files, and its types under each way TypeScript resolves modules.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TSC = createRequire(import.meta.url).resolve('typescript/bin/tsc')

// Each case starts a compiler.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

/** A consumer's folder, with the packed package installed in it. */
let consumer: string
let packed: string[]

beforeAll(() => {
  consumer = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-consumer-')))
  const { stdout } = spawnSync('npm pack --json --ignore-scripts --pack-destination', [JSON.stringify(consumer)], {
    cwd: ROOT,
    encoding: 'utf8',
    shell: true, // npm is a script, and another one on Windows
  })
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
  packed = files.map(({ path }) => path)

  const modules = join(consumer, 'node_modules')
  mkdirSync(modules)
  spawnSync('tar', ['-xzf', filename, '-C', 'node_modules'], { cwd: consumer })
  cpSync(join(modules, 'package'), join(modules, 'holdfast'), { recursive: true })
  mkdirSync(join(modules, '@types'))
  const nodeTypes = dirname(createRequire(import.meta.url).resolve('@types/node/package.json'))
  symlinkSync(nodeTypes, join(modules, '@types', 'node'), 'junction')
  cpSync(join(ROOT, 'test', 'types'), consumer, { recursive: true })
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }')
})

afterAll(() => rmSync(consumer, { recursive: true, force: true }))

/** What the compiler says about `file`: nothing, where all is well. The consumer checks libraries too. */
function compile(file: string, ...options: string[]): string {
  const flags = [
    '--strict',
    '--noEmit',
    '--target',
    'es2022',
    '--lib',
    'es2022',
    '--types',
    'node',
    '--pretty',
    'false',
  ]
  return spawnSync(process.execPath, [TSC, ...flags, ...options, file], { cwd: consumer, encoding: 'utf8' }).stdout
}

describe('the types are right', () => {
  test('for an ES module under module node16', () => {
    expect(compile('consumer.mts', '--module', 'node16')).toBe('')
  })

  test('for an ES module under module nodenext', () => {
    expect(compile('consumer.mts', '--module', 'nodenext')).toBe('')
  })

  test('for an ES module under moduleResolution bundler', () => {
    expect(compile('consumer.mts', '--module', 'esnext', '--moduleResolution', 'bundler')).toBe('')
  })

  test('for CommonJS under module nodenext', () => {
    expect(compile('consumer.cts', '--module', 'nodenext')).toBe('')
  })

  test('for strict optional properties', () => {
    expect(compile('consumer.mts', '--module', 'nodenext', '--exactOptionalPropertyTypes')).toBe('')
  })

  test('for a program that was written for proper-lockfile', () => {
    expect(compile('proper-lockfile.mts', '--module', 'node16', '--exactOptionalPropertyTypes')).toBe('')
  })
})

test('CommonJS under module node16 is told by TypeScript that it needs an import()', () => {
  expect(compile('consumer.cts', '--module', 'node16')).toMatch(/TS1471|TS1479/)
})

describe('the packed files', () => {
  test('hold all that is imported, and the sources of the addon', () => {
    const needed = [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/core.js',
      'dist/session.js',
      'dist/session.d.ts',
      'dist/stats.js',
      'dist/stats.d.ts',
      'dist/adapters/session-write-lock.js',
      'dist/adapters/session-write-lock.d.ts',
      'dist/adapters/proper-lockfile.js',
      'dist/adapters/proper-lockfile/names.d.ts',
      'dist/kernel/kernel.d.ts',
    ]
    const native = [
      'native/binding.gyp',
      'native/sources.txt',
      'native/sources.cjs',
      'native/addon.cc',
      'native/lock_windows.cc',
    ]
    expect(packed).toEqual(expect.arrayContaining([...needed, ...native, 'package.json', 'LICENSE']))
  })

  test('hold nothing else', () => {
    const meant = /^(dist|native|prebuilds|docs)\/|^(binding\.gyp|package\.json|LICENSE|\w+\.md)$/
    expect(packed.filter((path) => !meant.test(path))).toEqual([])
    expect(packed.filter((path) => /\.test\.|\.tsbuildinfo$|^dist\/test\//.test(path))).toEqual([])
  })
})
