/// <reference lib="esnext.disposable" preserve="true" />
// The public names, nothing else.
import { holdfast } from './engine.js'
import type { HoldSet } from './hold-set.js'
import type { Hold } from './hold.js'
import type { HoldInfo } from './hold-info.js'
import type { InspectOptions, LockState } from './inspect.js'
import { invalidType } from './errors.js'
import type { AcquireAllOptions, AcquireOptions, TryAcquireOptions } from './options.js'

/**
 * Waits for the lock of `path` and resolves to its hold.
 *
 * Rejects with LockTimeoutError when `timeout` runs out, with the signal's own reason when `signal` aborts, with
 * LockError when the system refuses. A rejected acquire never holds the lock later.
 */
export function acquire(path: string | URL, options?: AcquireOptions): Promise<Hold> {
  return holdfast.acquire(path, options)
}

/** One try, synchronously: the hold, or null when somebody else holds the lock or waits for it before us. */
export function tryAcquire(path: string | URL, options?: TryAcquireOptions): Hold | null {
  return holdfast.tryAcquire(path, options)
}

/**
 * Runs `section` while holding the lock of `path`, and releases it whatever happens. Rejects with LockLostError when
 * `section` succeeded but the hold had been lost meanwhile.
 */
export function withLock<T>(path: string | URL, section: (hold: Hold) => T | Promise<T>): Promise<T>
export function withLock<T>(
  path: string | URL,
  options: AcquireOptions | undefined,
  section: (hold: Hold) => T | Promise<T>,
): Promise<T>
export async function withLock<T>(
  path: string | URL,
  optionsOrSection: AcquireOptions | undefined | ((hold: Hold) => T | Promise<T>),
  section?: (hold: Hold) => T | Promise<T>,
): Promise<T> {
  if (typeof optionsOrSection === 'function') return holdfast.withLock(path, undefined, optionsOrSection)
  if (typeof section !== 'function') throw invalidType('section', 'a function', section)
  return holdfast.withLock(path, optionsOrSection, section)
}

/** All of these locks or none, without dead-locking with others who take several. */
export function acquireAll(paths: readonly (string | URL)[], options?: AcquireAllOptions): Promise<HoldSet> {
  return holdfast.acquireAll(paths, options)
}

/** Whether the lock is held, and by whom as far as can be told. Takes nothing and creates nothing. */
export function inspect(path: string | URL, options?: InspectOptions): LockState {
  return holdfast.inspect(path, options)
}

/** The holds of this thread, through this copy of the package. */
export function holds(): HoldInfo[] {
  return holdfast.holds()
}

/**
 * Ends every hold of this thread, for handlers of last resort. Their signals abort with a LockLostError whose cause is
 * `reason`. Synchronous. Answers how many it ended.
 */
export function releaseAll(reason?: unknown): number {
  return holdfast.releaseAll(reason)
}

export { isLockError, LockDeadlockError, LockError, LockLostError, LockTimeoutError } from './errors.js'
export type { DeadlockStep, LockErrorCode, LockHolder, LostReason, ProcessHolder } from './errors.js'
export type {
  AcquireOutcome,
  AcquireTrace,
  DeadlockEvent,
  FallbackEvent,
  FallbackFilesystem,
  HoldEvent,
  LeakEvent,
  LockEvent,
  OverrunEvent,
  RecoverEvent,
  ReleaseEvent,
  RevokeEvent,
} from './events.js'
export type { Hold } from './hold.js'
export type { HoldInfo } from './hold-info.js'
export type { HoldSet } from './hold-set.js'
export type { InspectOptions, LockState } from './inspect.js'
export type { AcquireAllOptions, AcquireOptions, TryAcquireOptions } from './options.js'
export { Owner } from './owner.js'
export type { OwnerOptions } from './owner.js'
export type { LockRecord } from './record.js'
