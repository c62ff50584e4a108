// What a run was: every hold, every request, every thread with how it ended, and what is certain of them. Read from logs by
// reading.ts, judged by the checks in checks/.
import type { Code, Mode } from './events.js'
import type { Plan } from './plan.js'

/** Nanoseconds. */
export const MILLISECOND = 1e6
export const SECOND = 1e9

/** A thread that was silent for longer did not run as it should: it beats more often. */
export const SILENCE = 100 * MILLISECOND

export interface Span {
  from: number
  to: number
}

export interface Thread {
  readonly name: string
  readonly process: number
  readonly thread: number
  pid: number
  tid: number
  first: number
  last: number
  finished: boolean
  /** Before it was killed, terminated, or left with process.exit(): what it held until then, it held until then at least. */
  death: number
  /** After that: it holds nothing. Infinity where nobody has seen it. */
  gone: number
  /** Times in which it did not run, or its event loop did not turn. */
  readonly silences: Span[]
}

export interface Guard {
  readonly number: number
  readonly before: number
  readonly from: number
  to: number | null
}

export interface HoldRecord {
  readonly thread: Thread
  readonly id: number
  readonly file: number
  readonly mode: Mode
  /** 0 for none. */
  readonly owner: number
  readonly asked: number
  /** After it was granted. */
  readonly start: number
  readonly heldAtStart: boolean
  readonly recorded: boolean
  /** -1 for none. */
  readonly fence: number
  readonly limited: boolean
  /** Which lock file it holds: holds of one exclude each other. Null where that is not known. */
  key: string | null
  /** Before whatever might have ended it. */
  end: number | null
  /** After it had ended. */
  ended: number | null
  outcome: Code | null
  /** Its signal had fired. Null where it had not, or its engine loses no locks. */
  signalled: number | null
  /** It was held at this time. */
  checked: number
  /** Its deadline is not earlier, and not later. */
  limitFrom: number
  limitTo: number
  /** Another hold of its owner was there at the same time. */
  nested: boolean
  leaked: boolean
  counts: number[] | null
  /** Numbers that it may have counted. */
  maybe: number[] | null
  guards: Guard[] | null
  /** It was told that the one before did not end by its release. */
  told: boolean
  /** Of whom; null where it died before it could write that down. */
  recovered: { readonly pid: number; readonly tid: number } | null
}

/** A request for one file; `hold` is null if it was refused, or never answered. */
export interface Wait {
  readonly thread: Thread
  readonly file: number
  readonly mode: Mode
  readonly asked: number
  answered: number
  granted: boolean
}

/** An acquireAll(), until it was answered: meanwhile it may have held any of its files, and let go again. */
export interface Several {
  readonly files: readonly number[]
  readonly from: number
  readonly to: number
}

export interface ProcessEnd {
  readonly process: number
  readonly code: number
  readonly killed: boolean
  readonly exited: boolean
  readonly finished: boolean
}

export interface History {
  readonly plan: Plan
  readonly threads: Thread[]
  readonly holds: HoldRecord[]
  /** Those that took long. */
  readonly waits: Wait[]
  readonly several: Several[]
  /** For each file, times in which some thread that did not run may have had it without knowing. */
  readonly obscure: Span[][]
  readonly processes: ProcessEnd[]
  readonly refused: Map<Code, number>
  /** When all was over. */
  end: number
  acquisitions: number
  children: number
  replacements: number
  unexpected: string[]
}

/** Whose hold it is: holds of one owner may overlap. */
export const sameHolder = (one: HoldRecord, other: HoldRecord): boolean =>
  one === other || (one.thread === other.thread && one.owner !== 0 && one.owner === other.owner)

/** From when to when a hold held its lock for certain, outside of guards; null for never. */
export function certain(hold: HoldRecord): Span | null {
  if (!hold.heldAtStart) return null
  let to = hold.end ?? hold.thread.death
  if (to === Infinity) to = hold.thread.last
  if (hold.limited) to = Math.min(to, hold.limitFrom)
  to = Math.max(to, hold.checked)
  return to > hold.start ? { from: hold.start, to } : null
}

/** Likewise, in each of its guards. */
export function certainGuards({ guards, thread }: HoldRecord): Span[] {
  return (guards ?? []).map(({ from, to }) => ({ from, to: to ?? (thread.death === Infinity ? from : thread.death) }))
}

/** It was held when its thread died, for certain. */
export function diedHolding(hold: HoldRecord): boolean {
  const { thread, ended } = hold
  if (thread.death === Infinity || ended !== null) return false
  return certain(hold)?.to === thread.death || certainGuards(hold).some(({ to }) => to === thread.death)
}

/** It cannot have held its lock beyond that. */
export function latestEnd({ thread, ended, guards, limited, limitTo }: HoldRecord): number {
  let end = ended ?? Infinity
  if (limited) end = Math.min(end, limitTo + SILENCE)
  for (const { to } of guards ?? []) end = Math.max(end, to ?? Infinity)
  return Math.min(end, thread.gone)
}

export const milliseconds = (time: number): string => `${(time / MILLISECOND).toFixed(3)} ms`

export function describe(hold: HoldRecord): string {
  const { thread, id, mode, file, owner, fence } = hold
  const span = certain(hold)
  const when = `${milliseconds(hold.start)} to ${span === null ? '?' : milliseconds(span.to)}`
  const what = `${mode} hold ${id} of file ${file}`
  return `${what} in ${thread.name} (process ${thread.pid}, thread ${thread.tid}, owner ${owner}, fence ${fence}), ${when}`
}
