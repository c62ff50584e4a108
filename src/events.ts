// What operators can subscribe to, through node:diagnostics_channel. The library prints nothing by itself. With no
// subscriber an event costs one branch.
import { channel } from 'node:diagnostics_channel'

export interface FallbackEvent {
  /**
   * `thread`: there was no thread to wait on, so the lock is tried again and again.
   * `record`: the lock was taken without a record, and its `fence` is null.
   * `filesystem`: the lock file is not on a local filesystem. Once for each mount and thread.
   */
  kind: 'thread' | 'record' | 'filesystem'
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

/** Something worked, but not in the usual way. */
const fallback = channel('holdfast:fallback')

/** In a microtask: subscribers may acquire and release, and must not do so in the middle of a grant. */
export function publishFallback(event: FallbackEvent): void {
  if (fallback.hasSubscribers) queueMicrotask(() => fallback.publish(event))
}

/** Nobody may find out too late that a lock may not exclude: where nobody subscribes, it is a warning of the process. */
export function publishFilesystem(event: FallbackEvent & { filesystem: FallbackFilesystem }): void {
  if (fallback.hasSubscribers || event.filesystem.kind === 'network') publishFallback(event)
  else process.emitWarning(event.reason, { type: 'HoldfastWarning', code: 'HOLDFAST_FILESYSTEM' })
}
