// Which lock file stands for a path: the target's real name with `.hold` added, or an exact file.
//
// The last component is followed through symlinks, because two names of one file must be one lock; directories on the
// way are left to the system, which compares files, not texts. `.hold` and not `.lock`: clean-up jobs delete `*.lock`.
import { basename, dirname, isAbsolute, resolve, sep } from 'node:path'

import { invalidValue } from '../errors.js'
import type { LockTarget } from './kernel.js'
import { fs } from './late.js'
import { isSystemFailure, systemErrorOf } from './system-error.js'

/** The names of a lock; where they lie is found out from them. */
type Names = Pick<LockTarget, 'lockfile' | 'target' | 'unfollowed'>

const SUFFIX = '.hold'

/** As many as Linux follows. What lies behind more of them nobody can open, and the last link stands for it. */
const MOST_LINKS = 40

/** What has to be asked of the filesystem that a path lies on, however that is done. */
export interface Ask {
  /** Where the symlink at `path` leads; null: it is none; undefined: that must not be asked now. Throws if nobody can tell. */
  link(path: string): string | null | undefined
  /** Whether the filesystem of a folder may never answer. */
  isDistant(folder: string): boolean
}

export function lockTarget(path: string, lockfile: string | undefined, ask: Ask): Names {
  const named = withoutLinks(path, ask)
  if (lockfile !== undefined) {
    return { target: ofExact(named.target, ask), lockfile: absolute(lockfile, process.cwd(), ask), unfollowed: false }
  }
  const { target, unfollowed } = followed(named, ask)
  return target === named.target && !unfollowed ? named : { target, lockfile: target + SUFFIX, unfollowed }
}

/** The target of an exact lock file. No lock depends on it, so one that cannot be followed is the one that was named. */
function ofExact(target: string, ask: Ask): string {
  try {
    return followed({ target, unfollowed: false }, ask).target
  } catch (error) {
    if (isSystemFailure(error)) return target
    throw error
  }
}

/** A link that leads to `destination`, from the folder it is in. */
export function destinationOf(link: string, destination: string, ask: Ask): string {
  return absolute(destination, dirname(link), ask)
}

type Target = Pick<Names, 'target' | 'unfollowed'>

function followed(named: Target, ask: Ask): Target {
  let { target } = named
  let link = ask.link(target)
  if (link === null) return named
  for (let links = 0; links < MOST_LINKS && typeof link === 'string'; links++) {
    target = destinationOf(target, link, ask)
    link = ask.link(target)
  }
  return { target, unfollowed: link === undefined }
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
/** A `.` at the end is the folder before it. */
const HERE_AT_END = /([\\/]+\.?)+$/

/**
 * Not simply path.resolve(): that cancels `..` as text, and the system goes up from where a linked folder really is.
 */
function absolute(path: string, folder: string, ask: Ask): string {
  const text = isAbsolute(path) ? path : folder + sep + path
  if (!UPWARDS.test(text)) return resolve(folder, path)
  const trimmed = text.replace(HERE_AT_END, '')
  if (basename(trimmed) === '..') {
    if (ask.isDistant(trimmed))
      throw invalidValue('path', 'a path that does not end in ".." on such a filesystem', path)
    return real(trimmed, ask)
  }
  const parent = real(dirname(trimmed), ask)
  return (parent.endsWith(sep) ? parent : parent + sep) + basename(trimmed)
}

/** A folder that is missing, or must not be asked, keeps its text: the open reports it, or finds the way. No other does. */
function real(folder: string, ask: Ask): string {
  if (ask.isDistant(folder)) return folder
  try {
    return fs().realpathSync.native(folder)
  } catch (error) {
    if (isSystemFailure(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return resolve(folder)
    throw systemErrorOf(error, folder)
  }
}
