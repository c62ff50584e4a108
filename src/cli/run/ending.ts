// How `holdfast run` ends: as its command did, seen from outside.
import { constants } from 'node:os'

import { EXIT } from '../exit-codes.js'

export interface Ending {
  /** The exit code; none where a signal ended it. */
  readonly code?: number
  readonly signal?: NodeJS.Signals
  /** It was told to end, because the hold had ended. */
  readonly revoked?: boolean
}

/**
 * Shells ask by what a program died: a script stops when ^C killed a command, and goes on after one that exits with 130.
 * The other signals write a core file, or surprise.
 */
const DEATHS: readonly (NodeJS.Signals | undefined)[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Ends this process by the signal, where that is asked for and the system lets it; otherwise answers the exit code. */
export function endAs({ code, signal, revoked = false }: Ending): number {
  if (code !== undefined) return code
  // A command that had to be ended has failed: a supervisor takes death by SIGTERM for a wish.
  if (signal !== undefined && !revoked && DEATHS.includes(signal) && process.platform !== 'win32') {
    process.kill(process.pid, signal)
  }
  return EXIT.signal + (signal === undefined ? 0 : constants.signals[signal])
}
