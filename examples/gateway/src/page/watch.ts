// What this process's locks go through, from the events of holdfast: who waits, how long waits and holds last, and what an
// operator should see. Memory is bounded by what waits now; the newest notices are kept, and all are counted.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { resolve } from 'node:path'

import { holds, inspect, isLockError } from 'holdfast'
import type {
  AcquireOutcome,
  AcquireTrace,
  DeadlockEvent,
  FallbackEvent,
  LeakEvent,
  OverrunEvent,
  RecoverEvent,
  ReleaseEvent,
  RevokeEvent,
} from 'holdfast'
import type { StoreEvent, TranscriptEvent } from 'holdfast/session'

import { duration } from '../../assets/duration.js'
import { Times } from './histogram.js'
import type { Histogram, LockView, Notice, NoticeKind, Party } from './state.js'
import { shown } from './text.js'

export interface WatchOptions {
  /** A wait of so many milliseconds is contention. */
  slow?: number
  /** So many notices are kept. */
  most?: number
  /** Is told every notice; fit for a terminal. */
  log?: (notice: Notice) => void
}

/** A lock to look at. */
export interface WatchedLock {
  readonly name: string
  /** No symlink, for a lock belongs to what a symlink names. */
  readonly path: string
  /** `<path>.hold` unless it is another one. */
  readonly lockfile?: string
}

/** What docs/diagnostics.md says of them. */
interface Channels {
  'tracing:holdfast:acquire:end': AcquireTrace
  'tracing:holdfast:acquire:asyncStart': AcquireTrace
  'holdfast:release': ReleaseEvent
  'holdfast:revoke': RevokeEvent
  'holdfast:leak': LeakEvent
  'holdfast:overrun': OverrunEvent
  'holdfast:recover': RecoverEvent
  'holdfast:deadlock': DeadlockEvent
  'holdfast:fallback': FallbackEvent
  'holdfast:transcript': TranscriptEvent
  'holdfast:store': StoreEvent
}

interface Waiter extends Party {
  /** By a clock that is never set. */
  readonly began: number
}

export class Watch {
  readonly started = Date.now()
  private readonly slow: number
  private readonly most: number
  private readonly log: (notice: Notice) => void
  private readonly waiting = new Map<string, Map<AcquireTrace, Waiter>>()
  private readonly waited = new Times()
  private readonly held = new Times()
  private readonly counted: Record<NoticeKind, number> = {
    contention: 0,
    timeout: 0,
    deadlock: 0,
    revocation: 0,
    leak: 0,
    recovery: 0,
    overrun: 0,
    repair: 0,
    other: 0,
  }
  private readonly newest: Notice[] = []
  private readonly ends: (() => void)[] = []
  private longest = 0

  constructor({ slow = 100, most = 100, log = () => {} }: WatchOptions = {}) {
    this.slow = slow
    this.most = most
    this.log = log
    this.on('tracing:holdfast:acquire:end', (request) => this.asked(request))
    this.on('tracing:holdfast:acquire:asyncStart', (request) => this.answered(request))
    this.on('holdfast:release', ({ heldFor }) => this.held.add(heldFor))
    this.on('holdfast:revoke', (event) => this.revoked(event))
    this.on('holdfast:leak', (event) => this.tell('leak', event.path, leak(event)))
    this.on('holdfast:overrun', (event) => this.tell('overrun', event.path, overrun(event)))
    this.on('holdfast:recover', (event) => this.tell('recovery', event.path, recovery(event)))
    this.on('holdfast:deadlock', (event) => this.tell('deadlock', event.path, deadlock(event)))
    this.on('holdfast:fallback', ({ lockfile, reason }) => this.tell('other', lockfile, reason))
    this.on('holdfast:transcript', (event) => this.tell('repair', event.path, repair(event)))
    this.on('holdfast:store', (event) => this.tell('repair', event.path, repair(event)))
  }

  get waits(): Histogram {
    return this.waited.histogram
  }

  get holds(): Histogram {
    return this.held.histogram
  }

  get counts(): Readonly<Record<NoticeKind, number>> {
    return { ...this.counted }
  }

  /** The newest first. */
  get notices(): readonly Notice[] {
    return [...this.newest].reverse()
  }

  /** Milliseconds, since the start or the last reset; of those that still wait too. */
  get longestWait(): number {
    const now = performance.now()
    let longest = this.longest
    for (const waiters of this.waiting.values()) {
      for (const { began } of waiters.values()) longest = Math.max(longest, now - began)
    }
    return longest
  }

  resetLongestWait(): void {
    this.longest = 0
  }

  /** Who holds these locks, here or in another process as their records tell, and who waits for them here. */
  look(locks: readonly WatchedLock[]): LockView[] {
    const newestFirst = holds().reverse() // of several holds of one file the oldest is shown
    const here = new Map(newestFirst.map((hold) => [hold.lockfile, hold]))
    return locks.map(({ name, path, lockfile = `${resolve(path)}.hold` }) => {
      const hold = here.get(lockfile)
      const holding = hold === undefined ? elsewhere(path, lockfile) : { ...FREE, holder: ours(hold) }
      return { name, ...holding, waiters: this.waitersOf(lockfile) }
    })
  }

  /** Hears and counts nothing more. */
  close(): void {
    for (const end of this.ends.splice(0)) end()
    this.waiting.clear()
  }

  private on<Name extends keyof Channels>(channel: Name, hear: (event: Channels[Name]) => void): void {
    const listener = (message: unknown): void => hear(message as Channels[Name])
    subscribe(channel, listener)
    this.ends.push(() => void unsubscribe(channel, listener))
  }

  private waitersOf(lockfile: string): Party[] {
    const waiters = this.waiting.get(lockfile) ?? new Map<AcquireTrace, Waiter>()
    return Array.from(waiters.values(), ({ who, pid, since }) => ({ who, pid, since }))
  }

  private asked(request: AcquireTrace): void {
    if (request.outcome !== null) return
    const waiters = this.waiting.get(request.lockfile) ?? new Map<AcquireTrace, Waiter>()
    this.waiting.set(request.lockfile, waiters)
    waiters.set(request, { ...ours({ ...request, since: new Date() }), began: performance.now() })
  }

  private answered(request: AcquireTrace): void {
    const waiters = this.waiting.get(request.lockfile)
    waiters?.delete(request)
    if (waiters?.size === 0) this.waiting.delete(request.lockfile)
    this.waited.add(request.waited)
    this.longest = Math.max(this.longest, request.waited)
    const text = answer(request, this.slow)
    if (text !== null) this.tell(KINDS[request.outcome ?? 'failed'], request.path, text)
  }

  private revoked(event: RevokeEvent): void {
    this.held.add(event.heldFor)
    if (event.reason !== 'collected') this.tell('revocation', event.path, revocation(event)) // holdfast:leak tells of it
  }

  private tell(kind: NoticeKind, path: string, text: string): void {
    const notice = { kind, at: Date.now(), path: shown(path), text: shown(text) }
    this.counted[kind] += 1
    this.newest.push(notice)
    if (this.newest.length > this.most) this.newest.shift()
    this.log(notice)
  }
}

const FREE: Pick<LockView, 'holder' | 'cutOff' | 'trouble'> = { holder: null, cutOff: null, trouble: null }

function elsewhere(path: string, lockfile: string): typeof FREE {
  try {
    const { state, record } = inspect(path, { lockfile })
    if (state === 'free') return FREE
    // A record of a hold that was released is not about whoever holds the lock now.
    if (record === null || record.state === 'free') return { ...FREE, trouble: 'held, and no record says by whom' }
    const last = party(record, record.pid)
    return state === 'held' ? { ...FREE, holder: last } : { ...FREE, cutOff: last }
  } catch (error) {
    return { ...FREE, trouble: messageOf(error) }
  }
}

interface Named {
  readonly owner: string | null
  readonly label?: string | null | undefined
}

function ours(named: Named & { readonly since: Date }): Party {
  return party(named, process.pid)
}

function party({ since, ...named }: Named & { readonly since: Date }, pid: number): Party {
  return { who: whoOf(named), pid, since: since.getTime() }
}

function whoOf({ owner, label }: Named): string {
  const names = [owner, label].filter((name) => name !== null && name !== undefined && name !== '')
  return names.length === 0 ? 'somebody' : names.map((name) => shown(name ?? '', 80)).join(' · ')
}

const KINDS: Readonly<Record<AcquireOutcome, NoticeKind>> = {
  granted: 'contention',
  aborted: 'contention',
  'owner-closed': 'contention',
  timeout: 'timeout',
  deadlock: 'deadlock',
  failed: 'other',
}

/** Null where there is nothing to tell, or where an event of its own tells it. */
function answer(request: AcquireTrace, slow: number): string | null {
  const { outcome, error, waited } = request
  const who = whoOf(request)
  const time = duration(waited)
  if (outcome === 'timeout') return `${who} waited ${time} in vain${heldBy(error)}`
  if (outcome === 'failed') return `${who} could not lock it: ${messageOf(error)}`
  if (outcome === 'deadlock' || waited < slow) return null
  if (outcome === 'owner-closed') return `${who} gave up after ${time}: its lane has ended`
  if (outcome === 'aborted') return `${who} gave up after ${time}: it was not wanted any more`
  return `${who} waited ${time}`
}

function heldBy(error: unknown): string {
  if (!isLockError(error, 'ERR_LOCK_TIMEOUT') || error.holder === null) return ''
  const { pid, since } = error.holder
  const length = since === null ? '' : ` for ${duration(Date.now() - since.getTime())}`
  return `; ${whoOf(error.holder)}, process ${pid}, has held it${length}`
}

const ENDED: Readonly<Record<RevokeEvent['reason'], string>> = {
  released: 'it was released',
  'max-hold': 'it lasted as long as it may',
  'owner-closed': 'its lane has ended',
  collected: 'its handle was lost',
  'released-all': 'everything was released',
  replaced: 'its lock file was deleted or replaced',
  connection: 'the database that keeps the lock does not answer',
}

function revocation(event: RevokeEvent): string {
  const cause = event.cause === undefined ? '' : ` (${messageOf(event.cause)})`
  const guards = event.guards === 0 ? '' : `; ${guardsOf(event)} until it is done`
  return `${whoOf(event)} lost its hold after ${duration(event.heldFor)}: ${ENDED[event.reason]}${cause}${guards}`
}

function leak(event: LeakEvent): string {
  const where = event.acquiredAt?.split('\n')[0]?.trim()
  // The file's name alone: the page is narrow, and where a program lies is nobody's business.
  const place = where === undefined ? '' : `; acquired ${where.replace(/[^\s(]*[\\/]/, '')}`
  return `${whoOf(event)} never released it and lost the handle; it was taken back after ${duration(event.heldFor)}${place}`
}

function overrun(event: OverrunEvent): string {
  return `${whoOf(event)} ended its hold ${duration(event.overdue)} ago (${ENDED[event.reason]}), and ${guardsOf(event)}`
}

function guardsOf({ guards }: { guards: number }): string {
  return guards === 1 ? 'a guard keeps the lock' : `${guards} guards keep the lock`
}

function recovery(event: RecoverEvent): string {
  const { record } = event
  const end = record.state === 'revoked' ? 'whose hold was revoked' : 'which ended without a release'
  return `${whoOf(event)} took over from ${whoOf(record)}, process ${record.pid}, ${end}`
}

function deadlock({ cycle }: DeadlockEvent): string {
  const steps = cycle.map(({ owner, path }) => `${shown(owner, 60)} waits for ${shown(path, 80)}`)
  return `refused, for it would never have been granted: ${steps.join(', ')}`
}

const REPAIRED: Readonly<Record<TranscriptEvent['kind'] | StoreEvent['kind'], string>> = {
  torn: 'the half line of a writer that died was cut off',
  unfinished: 'a half line was ended',
  foreign: 'somebody who does not keep the lock wrote at the same time',
  rewritten: 'somebody who does not keep the lock destroyed what was being written; it was written again',
  fragment: 'a part of a write that failed is left',
  failed: 'a write could not be made durable',
  unreadable: 'it could not be read, and began anew',
}

function repair({ kind, bytes, aside, cause }: TranscriptEvent | StoreEvent): string {
  const saved = aside === null ? '' : `; saved as ${shown(aside, 100)}`
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`
  return `${REPAIRED[kind]} (${bytes} bytes)${saved}${why}`
}

function messageOf(error: unknown): string {
  return shown(error instanceof Error ? error.message : String(error), 160)
}
