// Paths as a person reads them best: from here where they lie below, else whole; and without the name of a user.
import { homedir } from 'node:os'
import { isAbsolute, relative, sep } from 'node:path'

import { widthOfText } from '../text.js'

const SUFFIX = '.hold'

export function fromHere(path: string, here = process.cwd()): string {
  const short = relative(here, path)
  return short === '' ? '.' : short.startsWith('..') || isAbsolute(short) ? path : short
}

/** A lock file by the name of what it protects. */
export function lockName(lockfile: string, here?: string): string {
  return withoutSuffix(fromHere(lockfile, here))
}

export function withoutSuffix(lockfile: string): string {
  return lockfile.endsWith(SUFFIX) ? lockfile.slice(0, -SUFFIX.length) : lockfile
}

/** The end of a path, where paths differ, in as many columns as there are. */
export function endOf(path: string, width: number): string {
  if (widthOfText(path) <= width) return path
  let kept = ''
  for (const character of Array.from(path).reverse()) {
    if (widthOfText(character + kept) > width - 1) break
    kept = character + kept
  }
  return `…${kept}`
}

export function withoutHome(path: string): string {
  const home = homedir()
  if (home === sep || home === '') return path
  return path === home ? '~' : path.startsWith(home + sep) ? '~' + path.slice(home.length) : path
}
