// One lock as it was seen at one moment.
import type { LockRecord } from '../../index.js'

export interface Lock {
  readonly lockfile: string
  /**
   * `held` exclusively; `shared` by somebody; `abandoned`: free, and its last exclusive hold did not end by its own release;
   * `free`; `unknown`: it could not be looked at.
   */
  readonly state: 'held' | 'shared' | 'abandoned' | 'free' | 'unknown'
  readonly holders: readonly Holder[]
  readonly waiters: readonly Waiter[]
  /** What the dead holder left, as long as nobody holds it exclusively. */
  readonly abandoned: LockRecord | null
  /** Why it could not be looked at. */
  readonly problem: string | null
}

/** What is null is not known. */
export interface Holder {
  readonly pid: number | null
  readonly mode: 'exclusive' | 'shared'
  readonly since: Date | null
  readonly label: string | null
  readonly owner: string | null
  /** Where that is another one. */
  readonly host: string | null
  readonly maxHold: number | null
  readonly fence: number | null
  readonly command: string | null
  /** The kernel itself names this process. Otherwise only the record does. */
  readonly confirmed: boolean
}

export interface Waiter {
  readonly pid: number
  readonly mode: 'exclusive' | 'shared'
  /** No later than this. */
  readonly since: Date | null
  readonly command: string | null
}

/** Whether anything is to be told of it. */
export function isFree({ state, waiters }: Lock): boolean {
  return state === 'free' && waiters.length === 0
}
