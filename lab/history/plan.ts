// What one run is: its folder, its files, its programs and how fast things happen. Kept as plan.json beside the logs, so that
// a history can be judged long after.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A locked file. Those whose lock file is replaced have no hard link to it: that would be another file afterwards. */
export interface PlannedFile {
  /** The data file. */
  readonly path: string
  readonly lockfile: string
  /** A symbolic link to the data file. */
  readonly link: string
  /** A hard link of the lock file; null where it is replaced. */
  readonly hardLink: string | null
  /** Of the lock file, at the beginning; null where it is replaced. */
  readonly inode: number | null
}

/** How often things happen: of a thousand sections or, for nemesis, in a second. */
export interface Pace {
  readonly kills: number
  readonly stops: number
  readonly replacements: number
  readonly terminations: number
  readonly suicides: number
  readonly exits: number
  readonly blocks: number
  /** Milliseconds for which an event loop is blocked at the longest. */
  readonly longestBlock: number
  readonly children: number
}

export interface Plan {
  readonly seed: number
  readonly folder: string
  /** The clock at the beginning: all times count from it. In decimal digits. */
  readonly base: string
  readonly files: readonly PlannedFile[]
  readonly processes: number
  /** Worker threads a process, besides its main thread. */
  readonly threads: number
  /** Lanes a thread. */
  readonly lanes: number
  readonly pace: Pace
  /** A bug to be found: some sections do not take the lock. */
  readonly planted: 'none' | 'unlocked'
}

export const logsOf = (folder: string): string => join(folder, 'logs')

/** Of thread `thread` (0: the main one, the n-th worker otherwise) of a process; "driver" is not of that form. */
export const logName = (process: number, thread: number): string => `${process}-${thread}.log`
export const DRIVER_LOG = 'driver.log'
export const ERRORS = 'errors.txt'

export function readPlan(folder: string): Plan {
  // Written by savePlan() below, by whatever version made the history.
  return { ...(JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8')) as Plan), folder }
}

export function savePlan(plan: Plan): void {
  writeFileSync(join(plan.folder, 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`)
}
