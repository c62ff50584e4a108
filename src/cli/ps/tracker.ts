// What has changed from one look to the next, and since when everybody has been there. What begins and ends between two
// looks is not seen.
import type { LockRecord } from '../../index.js'
import type { Holder, Lock, Waiter } from './lock.js'

export interface Change {
  /**
   * `left`: no longer waiting, because it was granted the lock or gave up. `abandoned`: a holder died, or was ended some other
   * way than by its release. `overdue`: held or waited for longer than the limit; told once. `problem`: it cannot be looked at.
   */
  readonly event: 'held' | 'released' | 'waiting' | 'left' | 'abandoned' | 'overdue' | 'problem'
  readonly lockfile: string
  readonly who: Holder | Waiter | LockRecord | null
  /** Since when; where nothing tells, since it was first seen. */
  readonly since: Date | null
  /** Of who left: it has the lock now. Of what is overdue: it holds. */
  readonly holds?: boolean
  readonly problem?: string
}

interface Seen<Who extends Holder | Waiter> {
  readonly who: Who
  readonly first: Date
  overdue: boolean
}

interface Before {
  readonly holds: Seen<Holder>[]
  readonly waits: Seen<Waiter>[]
  readonly abandoned: LockRecord | null
  readonly problem: string | null
}

const NOTHING: Before = { holds: [], waits: [], abandoned: null, problem: null }

export class Tracker {
  readonly #limit: number
  #before: ReadonlyMap<string, Before> = new Map()

  /** `limit` is the longest that anything may last, in milliseconds. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes all locks there are. Answers them with what was learned from earlier looks. */
  update(locks: readonly Lock[], at: Date): { readonly locks: Lock[]; readonly changes: Change[] } {
    const now = new Map<string, Before>()
    const changes: Change[] = []
    const known = locks.map((lock) => {
      const before = this.#before.get(lock.lockfile) ?? NOTHING
      const after = this.#compare(lock, before, at, changes)
      now.set(lock.lockfile, after)
      return { ...lock, holders: withSince(after.holds, at), waiters: withSince(after.waits, at) }
    })
    for (const [lockfile, before] of this.#before) {
      if (now.has(lockfile)) continue
      this.#compare({ ...GONE, lockfile }, before, at, changes)
    }
    this.#before = now
    return { locks: known, changes }
  }

  #compare(lock: Lock, before: Before, at: Date, changes: Change[]): Before {
    const { lockfile, abandoned, problem } = lock
    if (problem !== null) {
      if (problem !== before.problem) changes.push({ event: 'problem', lockfile, who: null, since: null, problem })
      return { ...before, problem }
    }
    const holds = matched(lock.holders, before.holds, at)
    const waits = matched(lock.waiters, before.waits, at)
    for (const seen of ended(before.waits, waits)) {
      const granted = lock.holders.some(({ pid }) => pid === seen.who.pid)
      changes.push({ event: 'left', lockfile, who: seen.who, since: sinceOf(seen), holds: granted })
    }
    for (const seen of ended(before.holds, holds)) {
      changes.push({ event: 'released', lockfile, who: seen.who, since: sinceOf(seen) })
    }
    if (abandoned !== null && !isSame(abandoned, before.abandoned)) {
      changes.push({ event: 'abandoned', lockfile, who: abandoned, since: abandoned.since })
    }
    for (const [event, all, old] of [
      ['held', holds, before.holds],
      ['waiting', waits, before.waits],
    ] as const) {
      for (const seen of all) {
        const { who } = seen
        if (!old.some(({ first }) => first === seen.first)) {
          changes.push({ event, lockfile, who, since: who.since })
        }
        if (seen.overdue || at.getTime() - sinceOf(seen).getTime() < this.#limit) continue
        seen.overdue = true
        changes.push({ event: 'overdue', lockfile, who, since: sinceOf(seen), holds: event === 'held' })
      }
    }
    return { holds, waits, abandoned, problem }
  }
}

const GONE: Omit<Lock, 'lockfile'> = { state: 'free', holders: [], waiters: [], abandoned: null, problem: null }

/** Those who are there now; who was there before keeps its time. */
function matched<Who extends Holder | Waiter>(
  now: readonly Who[],
  before: readonly Seen<Who>[],
  at: Date,
): Seen<Who>[] {
  const rest = [...before]
  return now.map((who) => {
    const index = rest.findIndex((seen) => isOne(seen.who, who))
    const [old] = index === -1 ? [] : rest.splice(index, 1)
    if (old === undefined) return { who, first: new Date(at), overdue: false }
    return { ...old, who: who.since === null ? { ...who, since: old.who.since } : who }
  })
}

/** A look may come between a grant and its record: a time that is not known yet is no other time. */
function isOne(before: Holder | Waiter, now: Holder | Waiter): boolean {
  if (before.pid !== now.pid || before.mode !== now.mode) return false
  return before.since === null || now.since === null || Math.abs(before.since.getTime() - now.since.getTime()) < CLOSE
}

/** Milliseconds. The birth of a thread is told in hundredths of a second, and two looks may round it differently. */
const CLOSE = 25

/** Each time of first sight is an object of its own, which tells two of one process apart. */
function ended<Who extends Holder | Waiter>(before: readonly Seen<Who>[], now: readonly Seen<Who>[]): Seen<Who>[] {
  return before.filter(({ first }) => !now.some((seen) => seen.first === first))
}

function withSince<Who extends Holder | Waiter>(all: readonly Seen<Who>[], at: Date): Who[] {
  return all.map(({ who, first }) => ({ ...who, since: who.since ?? (first.getTime() < at.getTime() ? first : null) }))
}

function sinceOf({ who, first }: Seen<Holder | Waiter>): Date {
  return who.since ?? first
}

function isSame(record: LockRecord, other: LockRecord | null): boolean {
  return record.pid === other?.pid && record.since.getTime() === other.since.getTime()
}
