// Windows programs on Linux.
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { cacheFolder, fetchTool } from '../cross/cache.mjs'

const LONGEST_START = 5 * 60_000

const WINE = {
  WINEDEBUG: '-all',
  WINEDLLOVERRIDES: 'mscoree=;mshtml=', // no offers to download what Node does not need
}

/** A Windows of our own, as new as Node asks for. */
export function wineEnvironment() {
  const env = { ...WINE, WINEPREFIX: cacheFolder('wine') }
  const set = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']
  const options = { env: { ...process.env, ...env }, stdio: 'ignore', timeout: LONGEST_START }
  if (spawnSync('wine', set, options).status !== 0) throw new Error('Wine does not start')
  return env
}

/** A linked folder for the tests: Wine 8 follows links, but makes none and shows none as a link. */
export function linkedFolder(folder) {
  const links = join(folder, 'links')
  mkdirSync(join(links, 'real'), { recursive: true })
  symlinkSync('real', join(links, 'linked'))
  return `Z:${links.replaceAll('/', '\\')}`
}

/** Compiles the C program of the Windows cases. */
export function compileProbe(source, program) {
  const env = {
    ...process.env,
    ZIG_GLOBAL_CACHE_DIR: cacheFolder('zig'),
    ZIG_LOCAL_CACHE_DIR: cacheFolder('zig-local'),
  }
  const args = [
    'cc',
    '-target',
    'x86_64-windows-gnu',
    '-Os',
    '-s',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-o',
    program,
    source,
  ]
  const { status, stderr } = spawnSync(fetchTool('zig'), args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${source} does not compile:\n${stderr}`)
}
