// The checks of shipped binaries (scripts/): they read what is there, find what is wrong, and name the file and the fault.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { missing } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

interface Binary {
  readonly format: string
  readonly machine: string
  readonly imports: readonly { name: string }[]
  readonly exports: readonly string[]
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PREBUILDS = join(ROOT, 'prebuilds')
const BUILT_HERE = join(ROOT, 'build', 'Release', 'holdfast.node')
const FORMATS: Partial<Record<NodeJS.Platform, string>> = { linux: 'ELF', darwin: 'Mach-O', win32: 'PE' }
const LARGEST = 128 * 1024

const script = (name: string): string => new URL(`../../scripts/${name}`, import.meta.url).href
const { TARGETS } = (await import(script('cross/targets.mjs'))) as { TARGETS: Record<string, { binary: string }> }
const { readBinary } = (await import(script('cross/read-binary.mjs'))) as { readBinary: (file: string) => Binary }
const { inspect } = (await import(script('cross/inspect.mjs'))) as { inspect: (name: string, file: string) => number }

const places = Object.values(TARGETS).map(({ binary }) => binary)
const noPrebuilds = missing({
  name: 'shipped binaries, which "npm run prebuild:cross" builds',
  there: places.every((place) => existsSync(join(PREBUILDS, place))),
})

/** A target's shipped binary with one of its names replaced, wherever it stands, by one that is no longer. */
function changed(target: string, from: string, to: string): string {
  const file = join(scratch(), 'changed.node')
  const bytes = readFileSync(join(PREBUILDS, TARGETS[target]?.binary ?? ''), 'latin1')
  const parts = bytes.split(`${from}\0`)
  expect(parts.length).toBeGreaterThan(1)
  writeFileSync(file, parts.join(to.padEnd(from.length + 1, '\0')), 'latin1')
  return file
}

function check(...args: string[]): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [fileURLToPath(script('check-prebuilds.mjs')), ...args], { encoding: 'utf8' })
}

describe('reading a binary', () => {
  test.skipIf(missing({ name: 'an addon built here', there: existsSync(BUILT_HERE) }))(
    'finds what the addon built here is, asks for and offers',
    () => {
      const binary = readBinary(BUILT_HERE)
      expect(binary.format).toBe(FORMATS[process.platform])
      expect(binary.machine).toBe(process.arch)
      expect(binary.imports.map(({ name }) => name)).toContain('napi_create_threadsafe_function')
      expect(binary.exports).toContain('napi_register_module_v1')
    },
  )

  test.skipIf(missing({ name: 'an addon built here', there: existsSync(BUILT_HERE) }))(
    'that is cut off fails with the name of the file',
    () => {
      const whole = readFileSync(BUILT_HERE)
      const file = join(scratch(), 'cut.node')
      for (const length of [0, 3, 40, 200, Math.floor(whole.length / 4)]) {
        writeFileSync(file, whole.subarray(0, length))
        expect(() => readBinary(file)).toThrow(expect.objectContaining({ name: 'BinaryError', file }))
      }
    },
  )

  test('that is none fails with the name of the file', () => {
    const file = join(scratch(), 'text.node')
    writeFileSync(file, 'This is text, and long enough to be mistaken for something else by a careless reader.')
    expect(() => readBinary(file)).toThrow(`${file}: neither ELF nor 64-bit Mach-O nor PE`)
  })
})

describe('a shipped binary', () => {
  test.skipIf(noPrebuilds).each(Object.entries(TARGETS))('for %s passes', (name, { binary }) => {
    expect(inspect(name, join(PREBUILDS, binary))).toBeLessThanOrEqual(LARGEST)
  })

  test.skipIf(noPrebuilds).each([
    ['for another system', 'darwin-x64', 'linux-x64', /is Mach-O, not ELF/],
    ['for another processor', 'linux-arm64', 'linux-x64', /is for arm64, not x64/],
    ['for another libc', 'linuxmusl-x64', 'linux-x64', /needs the library libc\.so\n/],
  ])('%s is refused', (_, is, named, fault) => {
    expect(() => inspect(named, join(PREBUILDS, TARGETS[is]?.binary ?? ''))).toThrow(fault)
  })

  test.skipIf(noPrebuilds).each([
    ['linux-arm64', 'flock', 'flook', 'asks for flook from libc.so.6, which is not in'],
    ['linuxmusl-x64', 'flock', 'flook', 'asks for flook, which is not in'],
    ['darwin-arm64', '_flock', '_flook', 'asks for flook from /usr/lib/libSystem.B.dylib, which is not in'],
    ['win32-x64', 'LockFileEx', 'LookFileEx', 'asks for LookFileEx from KERNEL32.dll, which is not in'],
    ['linux-x64', 'napi_get_null', 'napi_get_nuii', 'asks for napi_get_nuii, which is not in'],
    ['linux-x64', 'libc.so.6', 'libc++.so', 'needs the library libc++.so'],
    ['win32-arm64', 'msvcrt.dll', 'node.exe', 'needs the library node.exe'],
    ['linux-x64', 'GLIBC_2.2.5', 'GLIBC_2.34', 'of GLIBC_2.34, which glibc 2.17 has not'],
    ['win32-x64', 'napi_register_module_v1', 'napi_register_module_v2', 'does not export napi_register'],
    ['darwin-arm64', '0123456789abcdef', '0123456789ABCDEF', 'was changed after it was signed'],
  ])('for %s in which %s were %s is refused', (target, from, to, fault) => {
    const file = changed(target, from, to)
    expect(() => inspect(target, file)).toThrow(expect.objectContaining({ name: 'BinaryError', file }))
    expect(() => inspect(target, file)).toThrow(fault)
  })

  test.skipIf(noPrebuilds)('that is too large is refused', () => {
    const file = join(scratch(), 'large.node')
    writeFileSync(file, Buffer.concat([readFileSync(join(PREBUILDS, places[0] ?? '')), Buffer.alloc(LARGEST)]))
    expect(() => inspect(Object.keys(TARGETS)[0] ?? '', file)).toThrow(/has \d+ bytes, more than 131072/)
  })
})

describe('the folder of binaries', () => {
  test('has a place for each target where node-gyp-build looks', () => {
    const folder = scratch()
    for (const place of places) {
      mkdirSync(join(folder, 'prebuilds', dirname(place)), { recursive: true })
      writeFileSync(join(folder, 'prebuilds', place), '')
    }
    const program = `console.log(require('node-gyp-build/node-gyp-build.js').resolve(process.argv[1]))`
    for (const [name, { binary }] of Object.entries(TARGETS)) {
      const [system, arch] = name.split('-')
      const { stdout } = spawnSync(process.execPath, ['-e', program, folder], {
        cwd: ROOT,
        encoding: 'utf8',
        env: {
          ...process.env,
          npm_config_platform: system?.replace('musl', ''),
          npm_config_arch: arch,
          LIBC: system === 'linuxmusl' ? 'musl' : 'glibc',
        },
      })
      expect(stdout.trim()).toBe(join(folder, 'prebuilds', binary))
    }
  })

  test('that is empty is not packed, and is said how to fill', () => {
    const { status, stderr } = check(scratch())
    expect(status).toBe(1)
    for (const place of places) expect(stderr).toContain(`${join(place)}: there is none`)
    expect(stderr).toContain('npm run prebuild:cross')
  })

  test.skipIf(noPrebuilds)('is packed as it was sealed, and not otherwise', () => {
    const folder = join(scratch(), 'prebuilds')
    cpSync(PREBUILDS, folder, { recursive: true })
    expect(check('--seal', folder)).toMatchObject({ status: 0, stderr: '' })
    expect(check(folder)).toMatchObject({ status: 0, stderr: '' })

    const manifest = readFileSync(join(folder, 'SHA256SUMS'), 'utf8')
    writeFileSync(join(folder, 'SHA256SUMS'), manifest.replace(/^# sources: .*/, '# sources: others'))
    const stale = expect.stringContaining('sealed of other sources than these') as string
    expect(check(folder)).toMatchObject({ status: 1, stderr: stale })
    writeFileSync(join(folder, 'SHA256SUMS'), manifest)

    const [first = '', second = ''] = places
    cpSync(join(folder, second), join(folder, first))
    expect(check(folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`${join(first)}: not the one in SHA256SUMS`) as string,
    })
    expect(check('--seal', folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is for arm64, not x64') as string,
    })

    rmSync(join(folder, first))
    expect(check(folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`${join(first)}: there is none`) as string,
    })
  })
})
