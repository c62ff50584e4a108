// Runs test/platforms on every system this machine can show: its own Node, other versions of Node, and Windows' Node
// under Wine with an addon that Zig built. Each run prints one line a case; the last line of all is the sum.
//
//   node scripts/test-platforms.mjs [name…]      names: "here", "node 22", "node 24", "windows, node 20", …
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { crossBuild } from './cross/build.mjs'
import { cacheFolder, fetchTool } from './cross/cache.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const LONGEST_RUN = 5 * 60_000

const onLinux = process.platform === 'linux' && process.arch === 'x64'
const linuxOnly = () => (onLinux ? null : 'fetched for Linux on x64 only')

const RUNS = {
  here: { missing: () => null, command: () => [process.execPath], addon: builtHere },
  'node 22': { missing: linuxOnly, command: () => [fetchTool('node-linux-22')], addon: builtHere },
  'node 24': { missing: linuxOnly, command: () => [fetchTool('node-linux-24')], addon: builtHere },
  'windows, node 20': {
    missing: wineMissing,
    command: () => ['wine', fetchTool('node-win32-20')],
    addon: builtForWindows,
  },
  'windows, node 22': {
    missing: wineMissing,
    command: () => ['wine', fetchTool('node-win32-22')],
    addon: builtForWindows,
  },
}

const WINE = {
  WINEDEBUG: '-all',
  WINEDLLOVERRIDES: 'mscoree=;mshtml=', // no offers to download what Node does not need
}

/** Where node-gyp-build finds it: build/Release for this machine, prebuilds/ for another. */
function builtHere() {
  const file = join(ROOT, 'build', 'Release', 'holdfast.node')
  if (!existsSync(file)) throw new Error('there is no build/Release/holdfast.node: run "npm run compile" first')
  return { file, place: join('build', 'Release') }
}

function builtForWindows() {
  return { file: crossBuild('win32-x64'), place: join('prebuilds', 'win32-x64') }
}

/** Installs Wine where that is allowed. Answers with the reason why there is none, or null. */
function wineMissing() {
  if (!onLinux) return 'Wine is used on Linux on x64 only'
  for (const [program, packages] of [
    ['wine', ['wine', 'wine64']],
    ['cmake', ['cmake', 'make']],
  ]) {
    if (succeeds(program, '--version')) continue
    if (process.getuid() !== 0) return `there is no ${program}, and only root can install it`
    if (!succeeds('apt-get', '--version')) return `there is no ${program}, and no apt-get to install it`
    console.log(`installing ${packages.join(' ')}`)
    succeeds('apt-get', 'update', '-q')
    if (!succeeds('apt-get', 'install', '-q', '-y', '--no-install-recommends', ...packages)) {
      return `there is no ${program}, and installing it failed`
    }
  }
  return null
}

/** A Windows of our own, as new as Node asks for. */
function wineEnvironment() {
  const env = { ...process.env, ...WINE, WINEPREFIX: cacheFolder('wine') }
  const set = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']
  const { status } = spawnSync('wine', set, { env, stdio: 'ignore', timeout: LONGEST_RUN })
  if (status !== 0) throw new Error('Wine does not start')
  return env
}

/** The compiled tests, laid out like the package. */
function stage(folder) {
  const { status } = spawnSync(
    process.execPath,
    [require.resolve('typescript/bin/tsc'), '-p', join(ROOT, 'test', 'platforms'), '--outDir', folder],
    { stdio: 'inherit' },
  )
  if (status !== 0) throw new Error('test/platforms does not compile')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const loader = dirname(require.resolve('node-gyp-build/package.json'))
  cpSync(loader, join(folder, 'node_modules', 'node-gyp-build'), { recursive: true })
}

/** Runs all cases in one runtime and answers with [passed, failed, skipped]. */
function run(name, staged, { command, addon }) {
  const folder = join(staged, name.replace(/\W+/g, '-'))
  for (const part of ['src', 'test', 'node_modules', 'package.json']) {
    cpSync(join(staged, part), join(folder, part), { recursive: true })
  }
  const [program, ...args] = command()
  const { file, place } = addon()
  mkdirSync(join(folder, place), { recursive: true })
  cpSync(file, join(folder, place, 'holdfast.node'))

  // A file, not a pipe: under Wine, Node cannot write to a pipe that it inherits.
  const path = join(folder, 'output')
  const output = openSync(path, 'w')
  const env = program === 'wine' ? wineEnvironment() : process.env
  const { status, signal, error } = spawnSync(program, [...args, join(folder, 'test', 'platforms', 'run.js')], {
    env,
    stdio: ['ignore', output, output],
    timeout: LONGEST_RUN,
    killSignal: 'SIGKILL',
  })
  closeSync(output)
  const text = readFileSync(path, 'utf8')
  process.stdout.write(text.replace(/\r/g, ''))
  const [, ...counts] = /^(\d+) passed, (\d+) failed, (\d+) skipped\s*$/m.exec(text) ?? []
  const [passed, failed, skipped] = counts.map(Number)
  if (passed === undefined || (status !== 0 && failed === 0)) {
    throw new Error(`the run ended early (${error?.message ?? signal ?? status})`)
  }
  return [passed, failed, skipped]
}

function succeeds(program, ...args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

const names = process.argv.slice(2)
const sum = [0, 0, 0]
const staged = mkdtempSync(join(tmpdir(), 'holdfast-platforms-'))
try {
  stage(staged)
  for (const [name, options] of Object.entries(RUNS)) {
    if (names.length > 0 && !names.includes(name)) continue
    const reason = options.missing()
    console.log(`\n# ${name}${reason === null ? '' : `: skipped: ${reason}`}`)
    let counts = [0, 0, 1]
    if (reason === null) {
      try {
        counts = run(name, staged, options)
      } catch (error) {
        console.log(`not ok - ${name}: ${error.message}`)
        counts = [0, 1, 0]
      }
    }
    counts.forEach((count, i) => (sum[i] += count))
  }
} finally {
  rmSync(staged, { recursive: true, force: true })
}
console.log(`\n${sum[0]} passed, ${sum[1]} failed, ${sum[2]} skipped`)
process.exitCode = sum[1] === 0 && sum[0] > 0 ? 0 : 1
