// Finds the native addon: the binary built here, or the prebuilt one for this platform. There is no fallback: a lock
// that silently does not lock is worse than an error.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { LockError } from '../errors.js'

/** What native/addon.cc exports. */
interface Library {
  attach(onSettled: (lease: number) => void): Addon
}

/** One user's door to the library. Only native-kernel.ts calls it, and it checks nothing that arrives. */
export interface Addon {
  isLink(path: string): boolean
  create(path: string, mode: number, uid: number, gid: number): number
  request(path: string, mode: number, how: number): number
  claim(lease: number, path: string): number
  drop(lease: number): void
  names(lease: number, path: string): number
  read(lease: number, bytes: Uint8Array): number
  write(lease: number, bytes: Uint8Array): number
  release(lease: number, ending: Uint8Array | null, prefix: number): void
  identify(path: string): string | number
  probe(path: string): { held: boolean; content: string | null } | number
  failure(): [error: number, call: string]
}

const PACKAGE_ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export function loadAddon(): Library {
  const require = createRequire(import.meta.url)
  try {
    // node-gyp-build has no types: it answers with whatever the binary exports.
    const load = require('node-gyp-build') as (root: string) => Library
    return load(PACKAGE_ROOT)
  } catch (cause) {
    throw new LockError('ERR_LOCK_ADDON', `holdfast has no native addon for ${thisPlatform()}. ${lookedIn()}`, {
      cause,
    })
  }
}

function thisPlatform(): string {
  const libc = process.platform === 'linux' ? (isGlibc() ? '-glibc' : '-musl') : ''
  return `${process.platform}-${process.arch}${libc} (Node ${process.version})`
}

function isGlibc(): boolean {
  const report: unknown = process.report.getReport()
  if (typeof report !== 'object' || report === null || !('header' in report)) return false
  const { header } = report
  return typeof header === 'object' && header !== null && 'glibcVersionRuntime' in header
}

function lookedIn(): string {
  const places = [join('build', 'Release'), ...listed('prebuilds').map((name) => join('prebuilds', name))]
  return (
    `Looked in ${PACKAGE_ROOT} for ${places.join(', ')} and found none that loads. ` +
    `Building it needs Python 3, make and a C++ compiler: run ` +
    `"npm install --no-save node-addon-api && npx node-gyp rebuild" in that folder.`
  )
}

function listed(folder: string): string[] {
  try {
    return readdirSync(join(PACKAGE_ROOT, folder))
  } catch {
    return [`${process.platform}-${process.arch}`]
  }
}
