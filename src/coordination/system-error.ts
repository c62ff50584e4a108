// Failures of the system, as errors that say what to do about them. The original stays as `cause`.
import { LockError } from '../errors.js'
import type { LockTarget } from '../kernel/kernel.js'
import { isSystemFailure } from '../kernel/system-error.js'

/** The filesystem knows no locks. */
const UNSUPPORTED = new Set(['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'])

const ADVICE: Record<string, string> = {
  EISDIR:
    'is a directory, not a lock file. proper-lockfile makes directories as locks: remove it if no process uses it',
  ELOOP: 'is a symbolic link, and a lock file must be a regular file',
  EFTYPE: 'is no regular file (a FIFO, a device?), and a lock file must be one',
  ENXIO: 'is no regular file (a socket?), and a lock file must be one',
  EAGAIN: 'cannot be opened: somebody has a lease on it (F_SETLEASE), or deletes it as fast as it is made',
  ENOENT: 'cannot be created: a folder on its path does not exist',
  EBADF: 'cannot be locked: on NFS an exclusive lock needs a lock file that may be written',
  ETIMEDOUT: 'cannot be reached: its filesystem does not answer',
}

export function systemError(cause: unknown, file: Pick<LockTarget, 'target' | 'lockfile'>): unknown {
  if (cause instanceof LockError || !isSystemFailure(cause)) return cause
  const { target: path, lockfile } = file
  const details = { path, lockfile, cause }
  if (UNSUPPORTED.has(cause.code)) {
    return new LockError('ERR_LOCK_UNSUPPORTED', `The filesystem of ${lockfile} cannot lock (${cause.code})`, details)
  }
  // Before it is known which lock file that is.
  if (cause.syscall === 'readlink') {
    return new LockError('ERR_LOCK_SYSTEM', `${path} cannot be followed to what it names: ${cause.message}`, details)
  }
  const what = ADVICE[cause.code] ?? `cannot be locked: ${cause.message}`
  return new LockError('ERR_LOCK_SYSTEM', `${lockfile} ${what}`, details)
}
