// The entry point holdfast/adapters/session-write-lock: the names that gateways call to lock a session file, on the kernel's
// lock. A gateway changes one import.
import { endAll, endOverdue } from './session-write-lock/held.js'
import {
  CLEANUP_SIGNALS,
  handleTerminationSignal,
  removeHooks,
  type CleanupSignal,
} from './session-write-lock/hooks.js'

function releaseAllLocksSync(): void {
  endAll(new Error('The session write lock was released by releaseAllLocksSync()'))
}

/** Ends every hold of the adapter, waits for their open guards, and takes its listeners off the process. */
export async function drainSessionWriteLockStateForTest(): Promise<void> {
  const ended = endAll(new Error('The session write lock was drained'))
  removeHooks(endAll)
  await Promise.all(ended.map(({ hold }) => hold[Symbol.asyncDispose]()))
}

/** The same without waiting. */
export function resetSessionWriteLockStateForTest(): void {
  releaseAllLocksSync()
  removeHooks(endAll)
}

/** What gateways' own tests and handlers of last resort reach for. */
export const __testing: {
  readonly cleanupSignals: CleanupSignal[]
  /** Ends every hold of the adapter; synchronous. */
  readonly releaseAllLocksSync: () => void
  /** What the adapter does when the process gets a signal. */
  readonly handleTerminationSignal: (signal: CleanupSignal) => void
  /** Ends what has lasted longer than its maxHoldMs at the time `nowMs`; how many that were since last asked. */
  readonly runLockWatchdogCheck: (nowMs?: number) => Promise<number>
} = {
  cleanupSignals: [...CLEANUP_SIGNALS],
  releaseAllLocksSync,
  handleTerminationSignal,
  runLockWatchdogCheck: (nowMs = Date.now()) => Promise.resolve(endOverdue(nowMs)),
}

export { acquireSessionWriteLock } from './session-write-lock/acquire.js'
export type { SessionWriteLock, SessionWriteLockParams } from './session-write-lock/acquire.js'
export { cleanStaleLockFiles } from './session-write-lock/clean.js'
export type { CleanStaleLockFilesParams, SessionLockInspection, StaleLockFiles } from './session-write-lock/clean.js'
export {
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
} from './session-write-lock/settings.js'
export type {
  Environment,
  MaxHoldParams,
  SessionWriteLockConfig,
  SessionWriteLockOptions,
  SettingSources,
} from './session-write-lock/settings.js'
export { SessionWriteLockTimeoutError } from './session-write-lock/timeout-error.js'
