// What operators can subscribe to, through node:diagnostics_channel. The library prints nothing by itself. With no
// subscriber an event costs one branch.
//
// Events are delivered a little later, in a microtask and in order, because subscribers may acquire and release, and must
// not do so in the middle of a grant. releaseAll() delivers what is due before it returns. Statistics count where an event
// happens, so they are never behind.
import { channel, tracingChannel, type Channel } from 'node:diagnostics_channel'

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
   * `record`: the lock was taken without a record, and its `fence` is null.
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

/**
 * Functions that count, and do nothing else: they are called at once, before any subscriber and in the middle of a grant. Each
 * copy of the package has its own, while channels belong to all copies.
 */
export class Tally<Event> {
  private counters: readonly ((event: Event) => void)[] = []

  get counts(): boolean {
    return this.counters.length > 0
  }

  count(event: Event): void {
    for (const counter of this.counters) counter(event)
  }

  /** Answers how to end it. */
  add(counter: (event: Event) => void): () => void {
    this.counters = [...this.counters, counter]
    return () => {
      this.counters = this.counters.filter((other) => other !== counter)
    }
  }
}

/** A channel and the type of what it carries. */
export class Topic<Event> {
  private readonly channel: Channel
  private readonly tally = new Tally<Event>()

  constructor(name: string) {
    this.channel = channel(name)
  }

  /** Asked before an event is made: nobody pays for what nobody sees. */
  get wanted(): boolean {
    return this.channel.hasSubscribers || this.tally.counts
  }

  publish(event: Event): void {
    this.tally.count(event)
    if (!this.channel.hasSubscribers) return
    if (due.length === 0) void Promise.resolve().then(deliverEvents)
    due.push({ channel: this.channel, event })
  }

  /** Counts every event from now on; makes it wanted. Answers how to end it. */
  count(counter: (event: Event) => void): () => void {
    return this.tally.add(counter)
  }
}

export const held = new Topic<HoldEvent>('holdfast:hold')
export const released = new Topic<ReleaseEvent>('holdfast:release')
export const revoked = new Topic<RevokeEvent>('holdfast:revoke')
export const overrun = new Topic<OverrunEvent>('holdfast:overrun')
export const leaked = new Topic<LeakEvent>('holdfast:leak')
export const recovered = new Topic<RecoverEvent>('holdfast:recover')
export const deadlocked = new Topic<DeadlockEvent>('holdfast:deadlock')
const fallback = new Topic<FallbackEvent>('holdfast:fallback')

export const acquiring = tracingChannel<unknown, AcquireTrace>('holdfast:acquire')
/** Requests that were not answered at once. */
export const waiting = new Tally<AcquireTrace>()
/** Requests that are answered. */
export const answered = new Tally<AcquireTrace>()
/** Counting makes no event wanted here: where nobody subscribes, some of these are warnings. */
export const fallbacks = new Tally<FallbackEvent>()

/** Has the requests from now on traced, and counts them. Answers how to end it. */
export function countAcquires(counter: {
  waits(trace: AcquireTrace): void
  answered(trace: AcquireTrace): void
}): () => void {
  const ends = [waiting.add((trace) => counter.waits(trace)), answered.add((trace) => counter.answered(trace))]
  return () => {
    for (const end of ends) end()
  }
}

const due: { readonly channel: Channel; readonly event: unknown }[] = []
let delivered = 0

/** Delivers what is due now, in order, also when a subscriber calls it. */
export function deliverEvents(): void {
  while (delivered < due.length) {
    const next = due[delivered++]
    next?.channel.publish(next.event)
  }
  due.length = delivered = 0
}

export function publishFallback(event: FallbackEvent): void {
  fallbacks.count(event)
  if (fallback.wanted) fallback.publish(event)
}

/** Nobody may find out too late that a lock may not exclude: where nobody subscribes, it is a warning of the process. */
export function publishFilesystem(event: FallbackEvent & { filesystem: FallbackFilesystem }): void {
  publishFallback(event)
  if (fallback.wanted || event.filesystem.kind === 'network') return
  process.emitWarning(event.reason, { type: 'HoldfastWarning', code: 'HOLDFAST_FILESYSTEM' })
}
