// Builds the addon for other machines, through cmake-js, with Zig as the compiler.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { cacheFolder, fetchTool } from './cache.mjs'
import { targetNamed } from './targets.mjs'

const CMAKE_JS = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js')
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/**
 * Builds the addon for one target, from nothing, and answers with its path. The sources may be a copy of this checkout,
 * and `cache` a folder where Zig finds nothing compiled yet. Throws, after the compiler's messages, on failure.
 */
export function crossBuild(name, { sources = ROOT, cache = cacheFolder('zig-local') } = {}) {
  const target = targetNamed(name)
  const zig = fetchTool('zig')
  const out = join(sources, 'build-cross', name)
  const definitions = {
    CMAKE_TOOLCHAIN_FILE: join(sources, 'scripts', 'cross', 'zig.cmake'),
    CMAKE_SYSTEM_NAME: target.system,
    HOLDFAST_ZIG: zig,
    HOLDFAST_ZIG_TARGET: target.zig,
  }
  rmSync(out, { recursive: true, force: true })
  const args = Object.entries(definitions).map(([key, value]) => `--CD${key}=${value}`)
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [CMAKE_JS, 'rebuild', '-d', sources, '-O', out, '-B', 'MinSizeRel', '-p', '2', ...args],
    {
      // Zig builds the C library of each target once; the cache makes that once a machine.
      env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cacheFolder('zig'), ZIG_LOCAL_CACHE_DIR: cache },
      encoding: 'utf8',
    },
  )
  if (status !== 0) {
    console.error(error?.message ?? stdout + stderr)
    throw new Error(`${name} does not build`)
  }
  return join(out, 'MinSizeRel', 'holdfast.node')
}
