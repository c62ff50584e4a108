// What operators can subscribe to, through node:diagnostics_channel. The library prints nothing by itself. With no
// subscriber an event costs one branch.
import { channel } from 'node:diagnostics_channel'

export interface FallbackEvent {
  /**
   * `thread`: there was no thread to wait on, so the lock is tried again and again.
   * `record`: the lock was taken without a record, and its `fence` is null.
   */
  kind: 'thread' | 'record'
  lockfile: string
  /** Why, in words. */
  reason: string
  /** The failure behind it, where there was one. */
  cause?: unknown
}

/** Something worked, but not in the usual way. */
const fallback = channel('holdfast:fallback')

/** In a microtask: subscribers may acquire and release, and must not do so in the middle of a grant. */
export function publishFallback(event: FallbackEvent): void {
  if (fallback.hasSubscribers) queueMicrotask(() => fallback.publish(event))
}
