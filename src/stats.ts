/// <reference lib="esnext.disposable" preserve="true" />
// The entry point holdfast/stats: what happened to the locks of this thread, in numbers, for those who ask for them.
import { allHolds } from './all-holds.js'
import { entries } from './arguments.js'
import { invalidType, outOfRange } from './errors.js'
import { Collector, type Stats } from './stats/collector.js'

export interface StatsOptions {
  /**
   * Of how many files figures are kept; 256 by default. One takes up to 8 KB. Those used longest ago are forgotten first; the
   * total forgets none. 0 keeps the total alone.
   */
  files?: number | undefined
}

export interface StatsCollector extends Disposable {
  /**
   * What is held and waited for now, and what was counted since the beginning or the last reset(). It always agrees with
   * holds(), that of the package and those of databases: before it answers, holds past their deadline are ended.
   */
  snapshot(): Stats
  /** Counts from 0 again, and forgets all files. */
  reset(): void
  /** Counts no more; from then on snapshot() answers what there was at the end. Later calls do nothing. */
  stop(): void
}

const OPTIONS = ['files'] as const
const DEFAULT_FILES = 256

/**
 * Counts what happens to the locks of this thread, through this copy of the package, from now until stop(). What is held
 * already is known; requests that wait already are not, until they are granted. Several collectors may count at once.
 */
export function collectStats(options?: StatsOptions): StatsCollector {
  const collector = new Collector(allHolds, filesOf(options))
  const stop = (): void => collector.stop()
  return {
    snapshot: () => collector.stats,
    reset: () => collector.reset(),
    stop,
    [Symbol.dispose]: stop,
  }
}

function filesOf(options: unknown): number {
  const [given] = options === undefined ? [] : entries(options, OPTIONS)
  const files = given === undefined ? DEFAULT_FILES : given[1]
  if (typeof files !== 'number') throw invalidType('options.files', 'a number', files)
  if (!Number.isSafeInteger(files) || files < 0) throw outOfRange('options.files', 'a whole number, 0 or more', files)
  return files
}

export type { FileStats, Stats } from './stats/collector.js'
export type { Counts, RevokeReason } from './stats/figures.js'
export type { Times } from './stats/times.js'
