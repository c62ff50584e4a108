// How events get to operators: through node:diagnostics_channel. The library prints nothing by itself. With no subscriber
// an event costs one look at its channel.
//
// Events are delivered a little later, in a microtask and in order, because subscribers may acquire and release, and must
// not do so in the middle of a grant. releaseAll() delivers what is due before it returns. Statistics count where an event
// happens, so they are never behind.
import { channel, tracingChannel, type Channel } from 'node:diagnostics_channel'

import { visible } from './errors.js'
import type {
  AcquireTrace,
  DeadlockEvent,
  FallbackEvent,
  FallbackFilesystem,
  HoldEvent,
  LeakEvent,
  OverrunEvent,
  RecoverEvent,
  ReleaseEvent,
  RevokeEvent,
} from './events.js'

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
  process.emitWarning(visible(event.reason), { type: 'HoldfastWarning', code: 'HOLDFAST_FILESYSTEM' })
}
