// Finds the native addon: the binary built here, or the prebuilt one for this platform. There is no fallback: a lock
// that silently does not lock is worse than an error.
//
// node-gyp-build chooses. Where its choice does not load, every other binary for this platform is tried, because it
// takes every musl but Alpine's for glibc, and because it does not look beside a bundle.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { AddonFailures } from './addon-failures.js'
import type { Library } from './addon.js'
import { isCutOff } from './cut-off.js'

const THIS_FOLDER = dirname(fileURLToPath(import.meta.url))
const PACKAGE_ROOT = dirname(dirname(THIS_FOLDER))
const PREBUILDS = join('prebuilds', `${process.platform}-${process.arch}`)

const FOLDERS = [
  join(PACKAGE_ROOT, 'build', 'Release'),
  join(PACKAGE_ROOT, 'native', 'build', 'Release'), // built in an installed package
  join(PACKAGE_ROOT, PREBUILDS),
  join(THIS_FOLDER, PREBUILDS), // of a bundle
]

export function loadAddon(): Library {
  const require = createRequire(import.meta.url)
  const failures = new AddonFailures()
  for (const file of binaries(require, failures)) {
    try {
      return load(require, file)
    } catch (error) {
      failures.add(file, error)
    }
  }
  throw failures.error(PACKAGE_ROOT)
}

function load(require: NodeJS.Require, file: string): Library {
  if (isCutOff(file)) throw new Error('the end of the file is missing')
  const exported: unknown = require(file)
  if (isLibrary(exported)) return exported
  throw new Error('this is another addon')
}

function* binaries(require: NodeJS.Require, failures: AddonFailures): Generator<string> {
  const chosen = choice(require, failures)
  if (chosen !== null) yield chosen
  for (const folder of FOLDERS) {
    for (const file of binariesIn(folder, failures)) if (file !== chosen) yield file
  }
}

function choice(require: NodeJS.Require, failures: AddonFailures): string | null {
  try {
    // It has no types.
    const { resolve } = require('node-gyp-build') as { resolve: (root: string) => string }
    return resolve(PACKAGE_ROOT)
  } catch (error) {
    failures.add('node-gyp-build', error)
    return null
  }
}

/** In the same order everywhere. */
function binariesIn(folder: string, failures: AddonFailures): string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.node'))
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
