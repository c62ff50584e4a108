// The lock, handed on to the command: a flock belongs to the open file, not to the process that asked for it, so it lasts
// while anybody has that file open. A command that inherits it keeps it although holdfast is killed. As long as holdfast
// lives, it unlocks when the command has ended, whatever children still have the file open.
import { fstatSync, readdirSync, statSync } from 'node:fs'

/** Descriptors of this process that are open on the lock file: one is the lock's. Windows hands none on. */
export function descriptorsOf(lockfile: string): number[] {
  try {
    const { dev, ino } = statSync(lockfile, { bigint: true })
    return readdirSync('/dev/fd')
      .map(Number)
      .filter((descriptor) => isOpenOn(descriptor, dev, ino))
  } catch {
    // Nothing lists them here, or the lock file is gone, which is found out elsewhere.
    return []
  }
}

function isOpenOn(descriptor: number, dev: bigint, ino: bigint): boolean {
  try {
    const status = fstatSync(descriptor, { bigint: true })
    return status.dev === dev && status.ino === ino
  } catch {
    return false // that of the list itself, closed by now
  }
}
