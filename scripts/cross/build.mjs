// Builds the addon for other machines, with Zig as the compiler: node scripts/cross/build.mjs [target…]
//
// Each result is build-cross/<target>/holdfast.node. Without arguments, every target is built.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { cacheFolder, fetchTool } from './cache.mjs'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

// Glibc 2.17 and macOS 11 are the oldest that Node 20 runs on.
const TARGETS = {
  'linux-x64': { zig: 'x86_64-linux-gnu.2.17', system: 'Linux' },
  'linux-arm64': { zig: 'aarch64-linux-gnu.2.17', system: 'Linux' },
  'linuxmusl-x64': { zig: 'x86_64-linux-musl', system: 'Linux' },
  'linuxmusl-arm64': { zig: 'aarch64-linux-musl', system: 'Linux' },
  'darwin-x64': { zig: 'x86_64-macos.11.0', system: 'Darwin' },
  'darwin-arm64': { zig: 'aarch64-macos.11.0', system: 'Darwin' },
  'win32-x64': { zig: 'x86_64-windows-gnu', system: 'Windows', machine: 'i386:x86-64' },
  'win32-arm64': { zig: 'aarch64-windows-gnu', system: 'Windows', machine: 'arm64' },
}

/** Builds the addon for one target and answers with its path. Throws, after the compiler's messages, on failure. */
export function crossBuild(name) {
  const target = TARGETS[name]
  if (target === undefined) throw new Error(`no such target: ${name}; there are ${Object.keys(TARGETS).join(', ')}`)
  const zig = fetchTool('zig')
  const folder = join(ROOT, 'build-cross', name)
  const options = {
    CMAKE_TOOLCHAIN_FILE: join(ROOT, 'scripts', 'cross', 'zig.cmake'),
    CMAKE_BUILD_TYPE: 'MinSizeRel',
    CMAKE_SYSTEM_NAME: target.system,
    HOLDFAST_ZIG: zig,
    HOLDFAST_ZIG_TARGET: target.zig,
    HOLDFAST_DLLTOOL: target.machine === undefined ? '' : `${zig};dlltool;-m;${target.machine}`,
  }
  const definitions = Object.entries(options).map(([key, value]) => `-D${key}=${value}`)
  cmake(['-S', ROOT, '-B', folder, '-G', 'Unix Makefiles', ...definitions])
  cmake(['--build', folder, '--parallel', '2'])
  return join(folder, 'holdfast.node')
}

function cmake(args) {
  // Zig builds the C library of each target once; the cache makes that once a machine.
  const env = {
    ...process.env,
    ZIG_GLOBAL_CACHE_DIR: cacheFolder('zig'),
    ZIG_LOCAL_CACHE_DIR: cacheFolder('zig-local'),
  }
  const { status, stdout, stderr, error } = spawnSync('cmake', args, { env, encoding: 'utf8' })
  if (status === 0) return
  console.error(error?.message ?? stdout + stderr)
  throw new Error(`cmake ${args.join(' ')} failed`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2)
  let failed = 0
  for (const name of names.length === 0 ? Object.keys(TARGETS) : names) {
    const begin = Date.now()
    try {
      const file = crossBuild(name)
      console.log(`${name}: ${file} (${Math.round((Date.now() - begin) / 1000)} s)`)
    } catch (error) {
      failed++
      console.error(`${name}: ${error.message}`)
    }
  }
  process.exitCode = failed === 0 ? 0 : 1
}
