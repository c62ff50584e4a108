// Which lock file stands for a path: the target's real name with `.hold` added, or an exact file.
//
// The last component is followed through symlinks, because two names of one file must be one lock; directories on the
// way are left to the system, which compares files, not texts. `.hold` and not `.lock`: clean-up jobs delete `*.lock`.
import { readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, resolve, sep } from 'node:path'

import type { LockTarget } from './kernel.js'

/** The names of a lock; where they lie is found out from them. */
type Names = Pick<LockTarget, 'lockfile' | 'target' | 'unfollowed'>

const SUFFIX = '.hold'

/** As many as Linux follows. What lies behind more of them nobody can open, and the last link stands for it. */
const MOST_LINKS = 40

/** What has to be asked of the filesystem that a path lies on, however that is done. */
export interface Ask {
  /** Null: that cannot be told now. */
  isLink(path: string): boolean | null
  /** Whether the filesystem of a folder may never answer. */
  isDistant(folder: string): boolean
}

export function lockTarget(path: string, lockfile: string | undefined, ask: Ask): Names {
  const named = withoutLinks(path, ask)
  const link = ask.isLink(named.target)
  const target = link === true ? followLinks(named.target, ask) : named.target
  if (lockfile !== undefined) {
    return { target, lockfile: absolute(lockfile, process.cwd(), ask), unfollowed: false }
  }
  const unfollowed = link === null
  return target === named.target && !unfollowed ? named : { target, lockfile: target + SUFFIX, unfollowed }
}

function followLinks(link: string, ask: Ask): string {
  let target = link
  for (let links = 0; links < MOST_LINKS && ask.isLink(target) === true; links++) {
    const destination = destinationOf(target)
    if (destination === null) return target
    target = absolute(destination, dirname(target), ask)
  }
  return target
}

/** Null when the link has gone meanwhile. */
function destinationOf(link: string): string | null {
  try {
    return readlinkSync(link)
  } catch {
    return null
  }
}

/** What was asked for last, often the same again: only texts that mean the same wherever and whenever they are used. */
let lastPath = ''
let lastNamed: Names = { target: '', lockfile: SUFFIX, unfollowed: false }

function withoutLinks(path: string, ask: Ask): Names {
  if (path === lastPath) return lastNamed
  const target = absolute(path, process.cwd(), ask)
  const named = { target, lockfile: target + SUFFIX, unfollowed: false }
  if (path === target) {
    lastPath = path
    lastNamed = named
  }
  return named
}

const UPWARDS = /(^|[\\/])\.\.([\\/]|$)/

/**
 * Not simply path.resolve(): that cancels `..` as text, and the system goes up from where a linked folder really is.
 */
function absolute(path: string, folder: string, ask: Ask): string {
  const text = isAbsolute(path) ? path : folder + sep + path
  if (!UPWARDS.test(text)) return resolve(folder, path)
  if (basename(text) === '..') return real(text, ask)
  const parent = real(dirname(text), ask)
  return (parent.endsWith(sep) ? parent : parent + sep) + basename(text)
}

/** A folder that is missing, or must not be asked, keeps its text: the open reports it, or finds the way. */
function real(folder: string, ask: Ask): string {
  if (ask.isDistant(folder)) return folder
  try {
    return realpathSync.native(folder)
  } catch {
    return resolve(folder)
  }
}
