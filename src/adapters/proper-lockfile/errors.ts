// The errors that callers of proper-lockfile branch on: an Error with a code, in its words; and those of the system as the
// system has them.
import { isLockError, type LockErrorCode } from '../../index.js'

export type Code = 'ELOCKED' | 'ENOTACQUIRED' | 'ERELEASED' | 'ESYNC' | 'ECOMPROMISED'

/** What is known besides. */
interface Facts {
  /** What was to be locked. */
  readonly file?: string
  readonly cause?: unknown
}

const MESSAGES: Record<Exclude<Code, 'ECOMPROMISED'>, string> = {
  ELOCKED: 'Lock file is already being held',
  ENOTACQUIRED: 'Lock is not acquired/owned by you',
  ERELEASED: 'Lock is already released',
  ESYNC: 'Cannot use retries with the sync api',
}

export function failure(code: keyof typeof MESSAGES, facts: Facts = {}): Error {
  return withCode(MESSAGES[code], code, facts)
}

/** `cause` is the LockLostError; `seen` is what the look at the lock file found, where that says more. */
export function compromised(cause: Error, seen: Error | null, file: string): Error {
  return withCode((seen ?? cause).message, 'ECOMPROMISED', { file, cause })
}

/** The same failure as a caller of the original expects it. */
export function inItsWords(error: unknown, file: string): unknown {
  if (isLockError(error, 'ERR_LOCK_TIMEOUT')) return failure('ELOCKED', { file, cause: error })
  return isOfTheSystem(error) ? error.cause : error
}

/** What the system refused this time it may grant the next time. */
export function isOfTheSystem(error: unknown): error is Error {
  const code: LockErrorCode = 'ERR_LOCK_SYSTEM'
  return isLockError(error, code)
}

function withCode(message: string, code: Code, { file, cause }: Facts): Error {
  const error = cause === undefined ? new Error(message) : new Error(message, { cause })
  return Object.assign(error, file === undefined ? { code } : { code, file })
}
