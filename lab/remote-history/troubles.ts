// What was done to sessions, hosts and the server, as the driver wrote it down; and what it excuses.
//
// An overlap of two holds is excused only where the database had to give the lock to somebody else before its holder could
// know, which is so in three cases. In each, one of the two had lost its lock, its fence is the smaller one, and its process had
// hardly run since:
//
//  1. A session of its process was terminated, or the server was ended, within SLOWEST, which is how long the server may take to
//     do what it was asked for: the lock is free then, and the news are on their way. Its event loop may have run for NEWS since
//     somebody else got the lock, and no longer.
//  2. The same while its host was cut off, or just before: the news do not come. Of the time since the cut it may have run for
//     `every + answer`, which is how long it may believe in its hold, and NEWS.
//  3. Its host was cut off, and its process did not run: likewise. The server frees the lock later than that, so a process that
//     runs never comes near it. And whatever looks at the hold then, `held` or a guard, goes by the clock: it must not have found
//     it held when somebody else had it.
//
// In nothing else: not for a stop alone, nor for a cut alone.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { KIND, readEvents } from '../history/events.js'
import { certain, MILLISECOND, type HoldRecord, type Span, type Thread } from '../history/history.js'
import { DRIVER_LOG, logsOf } from '../history/plan.js'
import { hostOf, type RemotePlan } from './plan.js'

/** For which an event loop may turn until it has read that a session has ended, on a machine that is busy. */
const NEWS = 250 * MILLISECOND
/** For which a server process may not get to run, there. */
const SLOWEST = 2000 * MILLISECOND

export interface Cut extends Span {
  readonly host: number
}

export class Troubles {
  readonly cuts: Cut[] = []
  readonly restarts: Span[] = []
  readonly terminations: (Span & { readonly process: number })[] = []
  readonly cancels: Span[] = []
  private readonly plan: RemotePlan

  constructor(plan: RemotePlan) {
    this.plan = plan
    for (const { kind, id, time, time2 } of readEvents(
      readFileSync(join(logsOf(plan.folder), DRIVER_LOG)),
      BigInt(plan.base),
    )) {
      if (kind === KIND.cut) this.cuts.push({ host: id, from: time, to: Infinity })
      if (kind === KIND.healed) {
        const cut = [...this.cuts].reverse().find(({ host }) => host === id)
        if (cut !== undefined) cut.to = time
      }
      if (kind === KIND.restarted) this.restarts.push({ from: time, to: time2 })
      if (kind === KIND.sessionEnded) this.terminations.push({ process: id, from: time, to: time2 })
      if (kind === KIND.canceled) this.cancels.push({ from: time, to: time2 })
    }
  }

  /** Whichever of the two had lost its lock and could not know; null where nothing excuses it. */
  unknowing(one: HoldRecord, other: HoldRecord, to: number): HoldRecord | null {
    if (this.couldNotKnow(one, other, to)) return one
    return this.couldNotKnow(other, one, to) ? other : null
  }

  /** Whether anything was done at that time for which requests of the process may fail. Cancelled statements are asked again. */
  concerns(process: number, from: number, to: number): boolean {
    const meets = (span: Span): boolean => span.from < to && span.to > from
    const host = hostOf(this.plan, process)
    return (
      this.restarts.some(meets) ||
      this.terminations.some((one) => one.process === process && meets(one)) ||
      this.cuts.some((one) => one.host === host && meets(one))
    )
  }

  /** Whether a session of the process was ended by somebody at that time. */
  endsIn(process: number, from: number, to: number): boolean {
    const ends = [...this.restarts, ...this.terminations.filter((one) => one.process === process)]
    return ends.some((end) => end.from < to && end.to > from)
  }

  /** The first thing after `from` that may have ended a session of the process; Infinity for none. */
  firstOf(process: number, from: number): number {
    const host = hostOf(this.plan, process)
    const ends = [
      ...this.restarts,
      ...this.terminations.filter((one) => one.process === process),
      ...this.cuts.filter((one) => one.host === host),
    ]
    return ends.reduce((first, end) => (end.to >= from ? Math.min(first, Math.max(from, end.from)) : first), Infinity)
  }

  private couldNotKnow(lost: HoldRecord, other: HoldRecord, overlap: number): boolean {
    if (lost.fence >= 0 && other.fence >= 0 && lost.fence >= other.fence) return false
    const to = Math.max(overlap, certain(lost)?.to ?? overlap)
    const { thread, checked, guards } = lost
    const before = (span: Span): boolean => span.from < other.start
    const ends = [...this.terminations.filter(({ process }) => process === thread.process), ...this.restarts].filter(
      before,
    )
    const late = ran(thread, other.start, to)
    if (late <= NEWS && ends.some(({ from }) => ran(thread, from, to) <= SLOWEST)) return true
    const { every, answer } = this.plan.heartbeat
    const bound = (every + answer) * MILLISECOND + NEWS
    const host = hostOf(this.plan, thread.process)
    const cuts = this.cuts.filter((cut) => cut.host === host && before(cut) && ran(thread, cut.from, to) <= bound)
    if (cuts.some((cut) => ends.some(({ from }) => cut.from < from + NEWS && cut.to > from))) return true
    const looked = Math.max(checked, ...(guards ?? []).map((guard) => guard.before))
    return cuts.length > 0 && looked < other.start
  }
}

/** For how long a thread ran, from then to then. */
function ran({ silences }: Thread, from: number, to: number): number {
  let time = to - from
  for (const silence of silences) time -= Math.max(0, Math.min(to, silence.to) - Math.max(from, silence.from))
  return time
}
