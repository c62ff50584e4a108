// Finds the native addon: the binary built here, or the prebuilt one for this platform. There is no fallback: a lock
// that silently does not lock is worse than an error.
//
// node-gyp-build chooses. Where its choice does not load, every other binary for this platform is tried, because it
// takes every musl but Alpine's for glibc, and because it does not look beside a bundle.
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { AddonFailures } from './addon-failures.js'
import type { Addon, Library } from './addon.js'
import { isCutOff } from './cut-off.js'
import { fs } from './late.js'
import { SystemError } from './system-error.js'

/** The addon for a user of this thread. */
export function attachAddon(onSettled: (lease: number) => void): Addon {
  const addon = loadAddon().attach(onSettled)
  if (typeof addon === 'number') throw new SystemError(addon, 'malloc', 'the addon')
  return addon
}

function loadAddon(): Library {
  // dist/; src/kernel/ where the sources run as they are
  const here = dirname(fileURLToPath(import.meta.url))
  const root = basename(here) === 'kernel' ? dirname(dirname(here)) : dirname(here)
  const prebuilds = join('prebuilds', `${process.platform}-${process.arch}`)
  const folders = [
    join(root, 'build', 'Release'),
    join(root, 'native', 'build', 'Release'), // built in an installed package
    join(root, prebuilds),
    join(here, prebuilds), // of a bundle
  ]
  const require = createRequire(import.meta.url)
  const failures = new AddonFailures()
  for (const file of binaries(require, root, folders, failures)) {
    try {
      return load(require, file)
    } catch (error) {
      failures.add(file, error)
    }
  }
  throw failures.error(root)
}

function load(require: NodeJS.Require, file: string): Library {
  if (isCutOff(file)) throw new Error('the end of the file is missing')
  const exported: unknown = require(file)
  if (isLibrary(exported)) return exported
  throw new Error('this is another addon')
}

function* binaries(
  require: NodeJS.Require,
  root: string,
  folders: readonly string[],
  failures: AddonFailures,
): Generator<string> {
  const chosen = choice(require, root, failures)
  if (chosen !== null) yield chosen
  for (const folder of folders) {
    for (const file of binariesIn(folder, failures)) if (file !== chosen) yield file
  }
}

function choice(require: NodeJS.Require, root: string, failures: AddonFailures): string | null {
  try {
    // It has no types.
    const { resolve } = require('node-gyp-build') as { resolve: (root: string) => string }
    return resolve(root)
  } catch (error) {
    failures.add('node-gyp-build', error)
    return null
  }
}

/** In the same order everywhere. */
function binariesIn(folder: string, failures: AddonFailures): string[] {
  try {
    const names = fs()
      .readdirSync(folder)
      .filter((name) => name.endsWith('.node'))
    if (names.length === 0) throw new Error('there is no binary')
    return names.sort().map((name) => join(folder, name))
  } catch (error) {
    failures.add(folder, error)
    return []
  }
}

function isLibrary(exported: unknown): exported is Library {
  return typeof exported === 'object' && exported !== null && 'attach' in exported
}
