// What operators are told of: the events of every channel, and the trace of a request. Names of fields are a contract.
import type { DeadlockStep, LostReason } from './errors.js'
import type { HoldInfo } from './hold-info.js'
import type { LockRecord } from './record.js'

/** Whose event it is. Names are null where they were not given. */
export interface LockEvent {
  path: string
  lockfile: string
  mode: 'exclusive' | 'shared'
  owner: string | null
  label: string | null
  /** How many of this thread wait for the file. */
  queued: number
}

/** `holdfast:hold`: a hold begins. */
export interface HoldEvent extends LockEvent {
  fence: number | null
  /** Milliseconds from the call to the grant. */
  waited: number
  /** The owner held it already. */
  reentered: boolean
}

/** `holdfast:release`: a hold ends by its own release(). */
export interface ReleaseEvent extends LockEvent {
  fence: number | null
  /** Milliseconds from the grant to now. */
  heldFor: number
}

/** `holdfast:revoke`: a hold ends some other way. */
export interface RevokeEvent extends ReleaseEvent {
  reason: LostReason
  /** The reason that was given to Owner.close() or releaseAll(). */
  cause: unknown
  /** Guards that are open: the lock goes free when they end. */
  guards: number
}

/** `holdfast:overrun`: a hold has ended, and a guard of it is still open and keeps the lock. Again and again. */
export interface OverrunEvent extends LockEvent {
  reason: LostReason
  guards: number
  /** Milliseconds since the hold ended. */
  overdue: number
}

/** `holdfast:leak`: nobody could reach the handle of a hold any more; it is released. */
export interface LeakEvent extends LockEvent {
  heldFor: number
  /** Where it was acquired, where that was kept: for waits, for owners, and with HOLDFAST_TRACE=1. */
  acquiredAt: string | null
}

/** `holdfast:recover`: the hold before this one did not end by its own release. */
export interface RecoverEvent extends LockEvent {
  record: LockRecord
}

/** `holdfast:deadlock`: a request was refused because it could never have been granted. */
export interface DeadlockEvent extends LockEvent {
  cycle: readonly DeadlockStep[]
}

/** `holdfast:fallback`: something works, but not in the usual way. */
export interface FallbackEvent {
  /**
   * `thread`: there was no thread to wait on, so the lock is tried again and again.
   * `record`: the lock was taken without a record, and its `fence` is null; or a shared hold could not read the record, and
   * is not told whom it recovers from.
   * `filesystem`: the lock file is not on a local filesystem. Once for each mount and thread.
   * `watchdog`: there was no thread for `maxHold`, so it works only while the event loop turns.
   */
  kind: 'thread' | 'record' | 'filesystem' | 'watchdog'
  lockfile: string
  /** Why, in words. */
  reason: string
  /** The failure behind it, where there was one. */
  cause?: unknown
  /** For `filesystem`. */
  filesystem?: FallbackFilesystem
}

export interface FallbackFilesystem {
  /** `network`: a server keeps the locks. `unsure`: whether they exclude everybody cannot be seen from here. */
  kind: 'network' | 'unsure'
  /** As the system calls it. */
  type: string
  /** Where it is mounted. */
  mount: string
  source: string
}

/** What became of a request. `aborted`: by its signal. `failed`: the system refused, and everything else. */
export type AcquireOutcome = 'granted' | 'timeout' | 'aborted' | 'owner-closed' | 'deadlock' | 'failed'

/**
 * The tracing channel `holdfast:acquire`: one for each request that may wait, from the call to its answer. It is one object
 * from its first event to its last. `queued` counts the request itself if it waits, and is known from `end` on.
 */
export interface AcquireTrace extends LockEvent {
  timeout: number
  /** Milliseconds; 0 until it is answered. */
  waited: number
  /** Null until it is answered. */
  outcome: AcquireOutcome | null
  /** The hold, once it is granted. */
  result?: HoldInfo
  /** Why it was not granted. */
  error?: unknown
}
