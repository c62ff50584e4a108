// The options of the original, with its defaults.
import type { OperationOptions } from './retries.js'

export interface UnlockOptions {
  /** Whether links are followed, for which the file must exist; true by default. With false its path is taken as it is. */
  realpath?: boolean | undefined
  /** Whose `realpath()` or `realpathSync()` follows the links; nothing else of it is used. Node's own by default. */
  fs?: unknown
  /** An exact lock file, instead of the file with `.hold` added. */
  lockfilePath?: string | undefined
}

export interface CheckOptions extends UnlockOptions {
  /** Means nothing: no lock of a living process is stale, and that of a dead one is free at once. */
  stale?: number | undefined
}

export interface LockOptions extends CheckOptions {
  /**
   * Milliseconds between two looks whether the lock file is still the one that was locked: at least 1,000, at most half of
   * `stale`, which is 10,000 by default and 2,000 at least; that half by default.
   */
  update?: number | undefined
  /** How long to wait for a lock that is held: as long as the original goes on trying. 0 by default: one try. */
  retries?: number | OperationOptions | undefined
  /** Is told once if the lock is lost: its lock file was deleted or replaced. By default it throws, which ends the process. */
  onCompromised?: ((error: Error) => unknown) | undefined
}

const DEFAULT_STALE = 10_000
const LEAST_STALE = 2000
const LEAST_UPDATE = 1000

/** An option that is there counts, even if it is undefined: so does the original. */
export function followsLinks(options: UnlockOptions | undefined): boolean {
  return Boolean({ realpath: true, ...options }.realpath)
}

/** Milliseconds between two looks at the lock file. */
export function intervalOf(options: LockOptions | undefined): number {
  const { stale, update } = { stale: DEFAULT_STALE, ...options }
  const most = Math.max(stale || 0, LEAST_STALE) / 2
  return Math.max(Math.min(update ?? most, most), LEAST_UPDATE)
}

export function throwIt(error: Error): never {
  throw error
}
