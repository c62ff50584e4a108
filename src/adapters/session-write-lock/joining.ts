// Re-entry as the field knows it: a request joins what this process holds of the same file, whoever took it.
//
// It is found by the file that is locked, never by the text of a path. Each join is a hold of its own, with a bound of its
// own; the file goes free with the last of them. What was not held when the request came is joined when it is granted.
import { readlinkSync, statSync } from 'node:fs'
import { dirname, isAbsolute, sep } from 'node:path'

import { tryAcquire, type Hold, type TryAcquireOptions } from '../../index.js'
import { heldLocks } from './held.js'

type Options = Omit<TryAcquireOptions, 'owner'>

/** As many as Linux follows. */
const MOST_LINKS = 40

/** Tries of requests that wait, and would join. */
const waiting = new Set<() => void>()

/** Null where this process does not hold the file. */
export function join(sessionFile: string, options: Options): Hold | null {
  const held = heldLocks()
  if (held.length === 0) return null
  const lockfile = lockfileOf(sessionFile)
  for (const { hold } of held) {
    if (!isSame(lockfile, hold.lockfile)) continue
    const joined = tryAcquire(sessionFile, { ...options, owner: hold.owner })
    if (joined !== null) return joined
  }
  return null
}

/** What `acquire` brings, or a join of what is granted to somebody else of this process before that. */
export function acquireOrJoin(
  sessionFile: string,
  options: Options,
  signal: AbortSignal | undefined,
  acquire: (signal: AbortSignal) => Promise<Hold>,
): Promise<Hold> {
  return new Promise((resolve, reject) => {
    const own = new AbortController()
    const abort = (): void => own.abort(signal?.reason)
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    const over = (): void => {
      waiting.delete(tryJoin)
      signal?.removeEventListener('abort', abort)
    }
    const tryJoin = (): void => {
      const joined = join(sessionFile, options)
      if (joined === null) return
      over()
      resolve(joined)
      own.abort() // its rejection comes too late to be heard
    }
    waiting.add(tryJoin)
    acquire(own.signal).then(resolve, reject).finally(over)
  })
}

/** Something was granted that others may have waited to join. */
export function granted(): void {
  for (const tryJoin of [...waiting]) tryJoin()
}

/** The lock file of a session file: its last component is followed through links, the system follows the rest. */
function lockfileOf(sessionFile: string): string {
  let target = sessionFile
  for (let links = 0; links < MOST_LINKS; links++) {
    const link = linkAt(target)
    if (link === null) break
    target = isAbsolute(link) ? link : dirname(target) + sep + link
  }
  return `${target}.hold`
}

function linkAt(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

function isSame(one: string, other: string): boolean {
  if (one === other) return true
  const options = { bigint: true, throwIfNoEntry: false } as const
  try {
    const [a, b] = [statSync(one, options), statSync(other, options)]
    return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
  } catch {
    return false
  }
}
