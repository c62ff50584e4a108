// What the system refuses besides the lock: a folder or the file of old gateways cannot be made. As a LockError, like what it
// refuses of the lock itself, and with messages that are as safe to print.
import { LockError, visible } from '../../errors.js'

/** Any other error is answered as it is. */
export function refusal(error: unknown, sessionFile: string): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error
  const message = visible(error.message)
  const cause = Object.assign(new Error(message), Object.fromEntries(Object.entries(error)))
  return new LockError('ERR_LOCK_SYSTEM', `${sessionFile} cannot be locked: ${message}`, { path: sessionFile, cause })
}
