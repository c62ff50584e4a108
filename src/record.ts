// The record: who holds the lock, written in the first 512 bytes of the lock file. A hint for people and for recovery,
// never the basis of who may hold: garbage in it harms nothing.
//
// On disk it is a magic word, one JSON object and padding, in plain ASCII:
//
//     holdfast {"v":1,"state":"held",     "fence":1795234363754016,"since":   1795234363754,"pid":812,…,"label":"main"}
//
// The layout is an on-disk contract between versions: fields may be added, never moved or changed. How it is written,
// and read without parsing, is in record-page.ts.
import { os, workerThreads } from './kernel/late.js'

export const RECORD_SIZE = 512

export const MAGIC_WORD = 'holdfast '
/** Content that begins so is a record of some version; other content is somebody's data. */
export const MAGIC = `${MAGIC_WORD}{"v":`

export interface LockRecord {
  /** `free`: the hold was released. `held`: it is held, or its holder died. `revoked`: it was ended some other way. */
  readonly state: 'free' | 'held' | 'revoked'
  /** How a revoked hold ended. */
  readonly reason: string | null
  readonly pid: number
  /** 0 is the main thread. */
  readonly tid: number
  readonly host: string
  /** Tells one boot of a host from the next; null where the system does not say. */
  readonly boot: string | null
  /** The namespace in which `pid` means something; null where there is only one. */
  readonly pidns: string | null
  /** The label of its owner. */
  readonly owner: string | null
  readonly label: string | null
  readonly since: Date
  /** Milliseconds that the hold might last from then on; null without a bound. */
  readonly maxHold: number | null
  readonly fence: number | null
}

export function threadId(): number {
  return workerThreads().threadId
}

/** This thread, as a holder. */
export function thisThread(): { pid: number; tid: number; host: string } {
  return { pid: process.pid, tid: threadId(), host: os().hostname() }
}

/** The record in a lock file's content, one character a byte; null where there is none that can be read. */
export function parseRecord(content: string | null): LockRecord | null {
  if (content === null || !content.startsWith(MAGIC)) return null
  let value: unknown
  try {
    value = JSON.parse(content.slice(MAGIC_WORD.length, RECORD_SIZE))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const fields = new Map<string, unknown>(Object.entries(value))
  const state = fields.get('state')
  const pid = fields.get('pid')
  const since = new Date(number(fields.get('since')) ?? NaN)
  if (state !== 'free' && state !== 'held' && state !== 'revoked') return null
  if (typeof pid !== 'number' || Number.isNaN(since.getTime())) return null
  return {
    state,
    reason: text(fields.get('reason')),
    pid,
    tid: number(fields.get('tid')) ?? 0,
    host: text(fields.get('host')) ?? '',
    boot: text(fields.get('boot')),
    pidns: text(fields.get('pidns')),
    owner: text(fields.get('owner')),
    label: text(fields.get('label')),
    since,
    maxHold: number(fields.get('maxHold')),
    fence: number(fields.get('fence')),
  }
}

/** Text from a file, safe to print: without control, escape and bidirectional characters. */
export function printable(value: string): string {
  return value.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '')
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}
