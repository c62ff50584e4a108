// Locks and changes as JSON: docs/cli.md lists the fields, which are added to and never renamed.
import { jsonLine } from '../report/json.js'
import { withoutSuffix } from '../report/place.js'
import type { Holder, Lock, Waiter } from './lock.js'
import type { Change } from './tracker.js'

export function lockJson(lock: Lock, now: Date): string {
  const { lockfile, state, holders, waiters, abandoned, problem } = lock
  return jsonLine({
    file: withoutSuffix(lockfile),
    lockfile,
    state,
    holders: holders.map((each) => ({ ...each, heldMs: lasted(each, now) })),
    waiters: waiters.map((each) => ({ ...each, waitedMs: lasted(each, now) })),
    abandoned,
    problem,
  })
}

export function changeJson({ event, lockfile, who, since, holds, problem }: Change, at: Date): string {
  const of = holds === undefined ? {} : event === 'overdue' ? { what: holds ? 'held' : 'waiting' } : { granted: holds }
  return jsonLine({
    at,
    event,
    file: withoutSuffix(lockfile),
    lockfile,
    ...of,
    ...(problem === undefined ? {} : { problem }),
    ...(who === null ? {} : { ...who, since, ms: since === null ? null : Math.max(0, at.getTime() - since.getTime()) }),
  })
}

function lasted({ since }: Holder | Waiter, now: Date): number | null {
  return since === null ? null : Math.max(0, now.getTime() - since.getTime())
}
