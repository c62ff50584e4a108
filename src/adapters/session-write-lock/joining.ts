// Re-entry as the field knows it: a request joins what this process holds of the same file, whoever took it.
//
// Whether it is the same file is the library's to say, by the file that is locked and never by the text of a path: the
// request is tried as each owner that holds something here. Each join is a hold of its own, with a bound of its own; the file
// goes free with the last of them. What was not held when the request came is joined when it is granted.
import { isLockError, tryAcquire, type Hold, type TryAcquireOptions } from '../../index.js'
import { heldLocks } from './held.js'

type Options = Omit<TryAcquireOptions, 'owner'>

/** Tries of requests that wait, and would join. */
const waiting = new Set<() => void>()

/**
 * Null where somebody else holds the file, or waits for it before us. A file that is free is taken as one of these owners: none
 * of them ever waits, so it makes no difference which.
 */
export function join(sessionFile: string, options: Options): Hold | null {
  for (const owner of new Set(heldLocks().map(({ hold }) => hold.owner))) {
    const joined = tried(sessionFile, { ...options, owner })
    if (joined !== null) return joined
  }
  return null
}

/** What the system refuses, it refuses the request too, which can say so, or make the folder that is missing. */
function tried(sessionFile: string, options: TryAcquireOptions): Hold | null {
  try {
    return tryAcquire(sessionFile, options)
  } catch (error) {
    if (isLockError(error)) return null
    throw error
  }
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
