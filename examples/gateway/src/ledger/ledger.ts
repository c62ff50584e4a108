// What became of everything: the files as they stand, compared with what was sent and what the program promised. Whoever
// was promised a message, a client, the command line or a job, is to find it there, and to be answered.
//
// It uses nothing of the program but the shape of a line, so that no fault of the program can hide itself here, except in
// two places. It takes a summary's word for what a compaction took out: that it was there, and which messages it answered.
// And the time that a session took to answer again ends where the answer's line was stamped, which is just before it was
// written: what the writing of that one line took is not in it.
//
// It may be made while others write: then what is under way may seem to be missing, or half there.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { accountOf, listed, problemsOf, repeated, timedAnswers, unique } from './account.js'
import type { Sent, SessionAccount, TimedAnswer } from './account.js'
import type { Acknowledged, AcknowledgedLine, AcknowledgedUpdates } from './acknowledged.js'
import { readStanding } from './standing.js'

export interface Evidence {
  /** With sessions.json and the transcripts: every `.jsonl` there is one. */
  readonly folder: string
  /** What processes acknowledged (acknowledged.ts). One that is not there has nothing in it. */
  readonly logs: readonly string[]
  /** By clients. Of messages that others wrote the logs tell. */
  readonly sent: readonly Sent[]
  /** Only this one is spoken of. */
  readonly session?: string
}

export interface StoreAccount {
  /** Why sessions.json could not be read. */
  readonly unreadable: string | null
  readonly acknowledged: number
  readonly lost: number
  /** Writers whose updates were lost. */
  readonly losers: readonly string[]
}

export interface Totals {
  readonly messages: { readonly sent: number; readonly answered: number; readonly lost: number }
  readonly lines: {
    readonly acknowledged: number
    readonly lost: number
    readonly doubled: number
    readonly damaged: number
  }
  readonly updates: { readonly acknowledged: number; readonly lost: number }
  readonly answers: { readonly doubled: number; readonly disordered: number }
}

export class Ledger {
  readonly sessions: readonly SessionAccount[]
  readonly store: StoreAccount
  /** One sentence for each kind of damage in each file, with the first keys. */
  readonly problems: readonly string[]
  private readonly answers: readonly TimedAnswer[]

  constructor({ folder, logs, sent, session: only }: Evidence) {
    // Before the files: what is promised meanwhile is not asked for.
    const promises = logs.flatMap(readLog)
    const promised = promises.filter(isLinePromise)
    const named = sessionsOf(folder, sent, promised).filter((session) => only === undefined || session === only)
    const cases = named.map((session) => {
      const its = promised.filter((line) => line.session === session)
      const told = sent.filter((message) => message.session === session)
      const standing = readStanding(folder, session)
      return { session, standing, sent: [...told, ...sentByOthers(its, told)], promised: its }
    })
    const shared = repeated(cases.flatMap(({ standing }) => unique(standing.keys)))
    this.sessions = cases.map((one) => accountOf(one, shared))
    this.answers = cases.flatMap(timedAnswers)
    const updates = promises.flatMap((promise) => (isLinePromise(promise) ? [] : [promise]))
    this.store = storeAccount(join(folder, 'sessions.json'), updates)
    this.problems = [...this.sessions.flatMap(problemsOf), ...problemsOfStore(this.store)]
  }

  /** Nothing was lost, doubled, disordered or damaged, and nothing is there that nobody wrote. */
  get ok(): boolean {
    return this.problems.length === 0
  }

  get totals(): Totals {
    const sum = (count: (account: SessionAccount) => readonly string[]): number =>
      this.sessions.reduce((total, account) => total + count(account).length, 0)
    return {
      messages: {
        sent: sum(({ messages }) => messages.sent),
        answered: sum(({ messages }) => messages.answered),
        lost: sum(({ messages }) => messages.lost),
      },
      lines: {
        acknowledged: sum(({ lines }) => lines.acknowledged),
        lost: sum(({ lines }) => lines.lost),
        doubled: sum(({ lines }) => lines.doubled),
        damaged: sum(({ lines }) => lines.damaged),
      },
      updates: { acknowledged: this.store.acknowledged, lost: this.store.lost },
      answers: {
        doubled: sum(({ answers }) => answers.doubled),
        disordered: sum(({ answers }) => answers.disordered),
      },
    }
  }

  /**
   * Milliseconds from `since` (milliseconds since 1970) to the first answer to a message of the session that was sent then
   * or later; null if there is none. A failure is no answer. Of an answer that a compaction took out, the log must know.
   */
  recoveredAfter(session: string, since: number): number | null {
    const times = this.answers.filter((answer) => answer.session === session && answer.sent >= since)
    return times.length === 0 ? null : Math.min(...times.map(({ at }) => at)) - since
  }
}

function storeAccount(path: string, promised: readonly AcknowledgedUpdates[]): StoreAccount {
  const most = new Map<string, number>()
  for (const { writer, count } of promised) most.set(writer, Math.max(count, most.get(writer) ?? 0))
  const acknowledged = [...most.values()].reduce((sum, count) => sum + count, 0)
  const read = readWriters(path)
  if (typeof read === 'string' && (acknowledged > 0 || existsSync(path))) {
    return { unreadable: read, acknowledged, lost: acknowledged, losers: [...most.keys()] }
  }
  const writers = typeof read === 'string' ? new Map<string, number>() : read
  const short = [...most].map(([writer, count]) => ({ writer, lost: count - (writers.get(writer) ?? 0) }))
  const losers = short.filter(({ lost }) => lost > 0)
  const lost = losers.reduce((sum, { lost }) => sum + lost, 0)
  return { unreadable: null, acknowledged, lost, losers: losers.map(({ writer }) => writer) }
}

/** The store's `writers`, or why they cannot be read. */
function readWriters(path: string): ReadonlyMap<string, number> | string {
  try {
    const store: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const writers = typeof store === 'object' && store !== null && 'writers' in store ? store.writers : null
    if (typeof writers !== 'object' || writers === null) return 'it has no writers'
    const entries = Object.entries<unknown>({ ...writers })
    return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
  } catch (error) {
    return String(error)
  }
}

function readLog(path: string): Acknowledged[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8').split('\n').flatMap(promiseOf)
}

/** Nothing, for a line in whose middle the process was killed. */
function promiseOf(text: string): Acknowledged[] {
  try {
    return [JSON.parse(text) as Acknowledged]
  } catch {
    return []
  }
}

function isLinePromise(promise: Acknowledged): promise is AcknowledgedLine {
  return 'key' in promise
}

/** Messages that were promised to somebody who is no client. */
function sentByOthers(promised: readonly AcknowledgedLine[], sent: readonly Sent[]): Sent[] {
  const known = new Set(sent.map(({ key }) => key))
  const others = promised.filter(({ type, key }) => type === 'message' && !known.has(key))
  const once = new Map(others.map((message) => [message.key, message]))
  return [...once.values()].map(({ session, key, at }) => ({ session, key, at, acknowledged: true }))
}

/** Those that have a file, and those that should. */
function sessionsOf(folder: string, sent: readonly Sent[], promised: readonly AcknowledgedLine[]): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
  const named = [...sent, ...promised].map(({ session }) => session)
  return unique([...files.map((name) => name.slice(0, -'.jsonl'.length)), ...named]).sort()
}

function problemsOfStore({ unreadable, lost, losers }: StoreAccount): string[] {
  if (unreadable !== null) return [`the store cannot be read: ${unreadable}`]
  return lost === 0 ? [] : [`the store: acknowledged updates that are lost: ${lost} (${listed(losers)})`]
}
