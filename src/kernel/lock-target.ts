// Which lock file stands for a path: the target's real name with `.hold` added, or an exact file.
//
// The last component is followed through symlinks, because two names of one file must be one lock; directories on the
// way are left to the system, which compares files, not texts. `.hold` and not `.lock`: clean-up jobs delete `*.lock`.
import { readlinkSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'

import type { LockTarget } from './kernel.js'

const SUFFIX = '.hold'

/** As many links as Linux follows before it answers ELOOP; the last one stands as it is, and the open reports it. */
const MOST_LINKS = 40

type IsLink = (path: string) => boolean

export function lockTarget(path: string, lockfile: string | undefined, isLink: IsLink): LockTarget {
  const named = withoutLinks(path)
  const target = isLink(named.target) ? followLinks(named.target, isLink) : named.target
  if (lockfile !== undefined) return { target, lockfile: resolve(lockfile) }
  return target === named.target ? named : { target, lockfile: target + SUFFIX }
}

function followLinks(link: string, isLink: IsLink): string {
  let target = link
  for (let links = 0; links < MOST_LINKS && isLink(target); links++) {
    target = resolve(dirname(target), readlinkSync(target))
  }
  return target
}

/** What was asked for last, often the same again. Only absolute paths mean the same after a chdir(). */
let lastPath = ''
let lastNamed: LockTarget = { target: '', lockfile: SUFFIX }

function withoutLinks(path: string): LockTarget {
  if (path === lastPath) return lastNamed
  const target = resolve(path)
  const named = { target, lockfile: target + SUFFIX }
  if (isAbsolute(path)) {
    lastPath = path
    lastNamed = named
  }
  return named
}
