// Which lock file stands for a path: the target's real name with `.hold` added, or an exact file.
//
// The last component is followed through symlinks, because two names of one file must be one lock; directories on the
// way are left to the system, which compares files, not texts. `.hold` and not `.lock`: clean-up jobs delete `*.lock`.
import { readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path'

import type { LockTarget } from './kernel.js'

const SUFFIX = '.hold'

/** As many as Linux follows. What lies behind more of them nobody can open, and the last link stands for it. */
const MOST_LINKS = 40

type IsLink = (path: string) => boolean

export function lockTarget(path: string, lockfile: string | undefined, isLink: IsLink): LockTarget {
  const named = withoutLinks(path)
  const target = isLink(named.target) ? followLinks(named.target, isLink) : named.target
  if (lockfile !== undefined) return { target, lockfile: absolute(lockfile, process.cwd()) }
  return target === named.target ? named : { target, lockfile: target + SUFFIX }
}

function followLinks(link: string, isLink: IsLink): string {
  let target = link
  for (let links = 0; links < MOST_LINKS && isLink(target); links++) {
    const destination = destinationOf(target)
    if (destination === null) return target
    target = absolute(destination, dirname(target))
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
let lastNamed: LockTarget = { target: '', lockfile: SUFFIX }

function withoutLinks(path: string): LockTarget {
  if (path === lastPath) return lastNamed
  const target = absolute(path, process.cwd())
  const named = { target, lockfile: target + SUFFIX }
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
function absolute(path: string, folder: string): string {
  const text = isAbsolute(path) ? path : folder + sep + path
  if (!UPWARDS.test(text)) return resolve(folder, path)
  if (basename(text) === '..') return real(text)
  return join(real(dirname(text)), basename(text))
}

/** A folder that is missing keeps its text, and the open reports it. */
function real(folder: string): string {
  try {
    return realpathSync.native(folder)
  } catch {
    return resolve(folder)
  }
}
