// How much was done, and how fast: what a report tells besides what was found.
import { diedHolding, MILLISECOND, SECOND, type History, type HoldRecord, type Span } from './history.js'

export interface Figures {
  readonly acquisitions: number
  readonly seconds: number
  readonly kills: number
  /** Of processes in which a lock was held, for certain. */
  readonly killsOfHolders: number
  readonly otherDeaths: number
  /** From the kill to the next grant of a file that somebody waited for, in milliseconds, sorted. */
  readonly grantsAfterKill: readonly number[]
  /** Milliseconds. */
  readonly longestWait: number
}

export function figuresOf(history: History): Figures {
  const { holds, processes, threads } = history
  const killed = new Set(processes.filter((one) => one.killed).map(({ process }) => process))
  const orphaned = holds.filter((hold) => killed.has(hold.thread.process) && diedHolding(hold))
  const longest = holds.reduce((most, { start, asked }) => Math.max(most, start - asked), 0)
  return {
    acquisitions: history.acquisitions,
    seconds: history.end / SECOND,
    kills: killed.size,
    killsOfHolders: new Set(orphaned.map(({ thread }) => thread.process)).size,
    otherDeaths: threads.filter((one) => one.death !== Infinity && !killed.has(one.process)).length,
    grantsAfterKill: grantsAfter(history, orphaned),
    longestWait: longest / MILLISECOND,
  }
}

/** Of exclusive holds; left out where a waiter that did not run may have had the lock first. */
function grantsAfter({ holds, obscure, plan }: History, orphaned: readonly HoldRecord[]): number[] {
  const delays: number[] = []
  for (const [file] of plan.files.entries()) {
    const dead = orphaned.filter((hold) => hold.file === file && hold.mode === 'exclusive' && hold.key !== null)
    if (dead.length === 0) continue
    const grants = holds.filter((hold) => hold.file === file).sort((one, other) => one.start - other.start)
    for (const hold of dead) {
      const { death } = hold.thread
      const next = grants[firstAfter(grants, death)]
      if (next === undefined || next.key !== hold.key || next.asked > death) continue
      if (!touched(obscure[file] ?? [], death, next.start)) delays.push((next.start - death) / MILLISECOND)
    }
  }
  return delays.sort((one, other) => one - other)
}

function firstAfter(grants: readonly HoldRecord[], time: number): number {
  let [low, high] = [0, grants.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((grants[middle]?.start ?? 0) > time) high = middle
    else low = middle + 1
  }
  return low
}

function touched(spans: readonly Span[], from: number, to: number): boolean {
  return spans.some((span) => span.from < to && span.to > from)
}

export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}
