// What the page shows, as plain data: also the answer of GET /state.

export interface State {
  /** Milliseconds since 1970, as all times here. */
  readonly now: number
  readonly started: number
  readonly pid: number
  readonly lanes: { readonly main: LanesState; readonly agents: LanesState }
  readonly sessions: readonly SessionState[]
  /** What all sessions share: the gateway itself, the store, the browser. */
  readonly shared: readonly LockView[]
  /** Of all locks, since the start: how long requests waited, and how long holds lasted. */
  readonly waits: Histogram
  readonly holds: Histogram
  readonly counts: Readonly<Record<NoticeKind, number>>
  /** The newest first. */
  readonly notices: readonly Notice[]
}

/** So many lanes work at once. */
export interface LanesState {
  readonly busy: number
  readonly size: number
  /** Runs that wait for a lane. */
  readonly waiting: number
}

export interface SessionState {
  readonly id: string
  /** Messages that were answered. */
  readonly answered: number
  /** Messages that wait for an answer, the one that is being answered included. */
  readonly unanswered: number
  /** When the oldest of these came. */
  readonly oldest: number | null
  /** Its transcript, its turn, its sub-agents. */
  readonly locks: readonly LockView[]
}

export interface LockView {
  /** What is locked: `transcript`, `turn`, `agent 0`, `store`, `browser`, `gateway`. */
  readonly name: string
  readonly holder: Party | null
  /** It is free, and its last holder did not release it: that process died, or its hold was revoked. */
  readonly cutOff: Party | null
  /** Why nobody can tell who holds it. */
  readonly trouble: string | null
  /** In the order in which they came. */
  readonly waiters: readonly Party[]
}

/** Who holds or waits. Other processes' waits are not known here. */
export interface Party {
  /** The label of its owner, and of the request; from other processes' records too, so it may be any text. */
  readonly who: string
  readonly pid: number
  readonly since: number
}

export interface Histogram {
  /** One more than `edges`: what is below the first edge, between two, above the last. */
  readonly counts: readonly number[]
  /** Milliseconds. */
  readonly edges: readonly number[]
  readonly longest: number
}

/**
 * - `contention`: a request waited long, whether it was granted or gave up.
 * - `timeout`: a request waited in vain.
 * - `deadlock`: a request was refused because it could never have been granted.
 * - `revocation`: a hold ended some other way than by its release. Leaks are not counted here again.
 * - `leak`: the handle of a hold was lost.
 * - `recovery`: a hold began after one that did not end by its release.
 * - `overrun`: a hold has ended, and a guard of it keeps the lock.
 * - `repair`: a file was not as it should be.
 * - `other`: the system refused, or something works, but not in the usual way.
 */
export type NoticeKind =
  'contention' | 'timeout' | 'deadlock' | 'revocation' | 'leak' | 'recovery' | 'overrun' | 'repair' | 'other'

/** Something an operator should see. */
export interface Notice {
  readonly kind: NoticeKind
  readonly at: number
  /** The file it is about. */
  readonly path: string
  /** One sentence, which may hold text from labels, records and errors. */
  readonly text: string
}
