// One state of the gateway for the page: what the locks tell, and what the gateway tells of itself, which is handed in.
import type { LanesState, State } from './state.js'
import type { Watch, WatchedLock } from './watch.js'

/** What the gateway tells of itself. */
export interface Watched {
  readonly lanes: { readonly main: LanesState; readonly agents: LanesState }
  readonly sessions: readonly WatchedSession[]
  readonly shared: readonly WatchedLock[]
}

export interface WatchedSession {
  readonly id: string
  readonly answered: number
  readonly unanswered: number
  readonly oldest: number | null
  readonly locks: readonly WatchedLock[]
}

export function assemble(watch: Watch, { lanes, sessions, shared }: Watched): State {
  // One look at all locks: the holds of this process are listed once, not once for each session.
  const views = watch.look([...sessions.flatMap(({ locks }) => locks), ...shared])
  return {
    now: Date.now(),
    started: watch.started,
    pid: process.pid,
    lanes,
    sessions: sessions.map(({ locks, ...session }) => ({ ...session, locks: views.splice(0, locks.length) })),
    shared: views,
    waits: watch.waits,
    holds: watch.holds,
    counts: watch.counts,
    notices: watch.notices,
  }
}
