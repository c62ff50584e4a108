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
  readonly counts: Readonly<Record<Notice['kind'], number>>
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

/** Something an operator should see. */
export interface Notice {
  readonly kind: 'contention' | 'timeout' | 'revocation' | 'leak' | 'recovery' | 'overrun' | 'other'
  readonly at: number
  /** The file it is about. */
  readonly path: string
  /** One sentence; may hold any text from labels, records and errors. */
  readonly text: string
}
