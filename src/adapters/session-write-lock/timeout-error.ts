// The error that gateways know: they tell a busy session from a failed model by its code and its message.
import { visible } from '../../errors.js'
import type { LockTimeoutError } from '../../index.js'

interface TimeoutFacts {
  timeoutMs: number
  owner: string
  lockPath: string
}

export class SessionWriteLockTimeoutError extends Error {
  readonly code = 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT'
  readonly timeoutMs: number
  /** `pid=N`, or `unknown`. A hint for people. */
  readonly owner: string
  /** What is locked: the lock file, or the file of an old gateway. */
  readonly lockPath: string

  constructor({ timeoutMs, owner, lockPath }: TimeoutFacts, options?: ErrorOptions) {
    super(visible(`session file locked (timeout ${timeoutMs}ms): ${owner} ${lockPath}`), options)
    this.timeoutMs = timeoutMs
    this.owner = owner
    this.lockPath = lockPath
  }

  override get name(): string {
    return 'SessionWriteLockTimeoutError'
  }
}

/** The same time-out in the words of the field; `cause` has what is known besides. */
export function sessionTimeout(timeoutMs: number, cause: LockTimeoutError): SessionWriteLockTimeoutError {
  const pid = cause.holder?.pid ?? cause.processes[0]?.pid
  return new SessionWriteLockTimeoutError(
    { timeoutMs, owner: ownerText(pid), lockPath: cause.lockfile ?? 'unknown' },
    { cause },
  )
}

export function ownerText(pid: number | null | undefined): string {
  return pid === null || pid === undefined ? 'unknown' : `pid=${pid}`
}
