// The names that programs import, and their types.
import { check, checkSync } from './check.js'
import { lock, lockSync } from './lock.js'
import { unlock, unlockSync } from './unlock.js'

/** All of it in one: the function lock() with the others as properties. */
const lockfile = Object.assign(lock, { lock, unlock, check, lockSync, unlockSync, checkSync, default: lock })

export default lockfile
export { check, checkSync, lock, lockSync, unlock, unlockSync }
export type { CheckOptions, LockOptions, UnlockOptions } from './options.js'
export type { OperationOptions, RetryOptions } from './retries.js'
