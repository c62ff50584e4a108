// The door for the program: what it shows of a lock file that the public functions do not tell.
import { dirname } from 'node:path'

import { kernel } from './engine.js'
import type { Filesystem } from './kernel/filesystem.js'
import { fs } from './kernel/late.js'
import { linuxMounts } from './kernel/mount-table.js'
import { kernelQueue, type KernelQueue } from './kernel/proc-locks.js'

export type { Filesystem } from './kernel/filesystem.js'
/** What content of ours begins with. */
export { MAGIC as RECORD_MAGIC } from './record.js'

/** The lock file that stands for `path`. Throws where locks are known not to exclude. */
export function lockFileOf(path: string): string {
  return kernel().locate(path, { strict: false, atOnce: true }).lockfile
}

/** Who holds a lock file and who waits; nobody, where that would ask a filesystem that may not answer. */
export function queueOf(lockfile: string): KernelQueue {
  return filesystemOf(dirname(lockfile)).distant ? { holders: [], waiters: [] } : kernelQueue(lockfile)
}

/** Where a folder lies; `folder` is absolute. Asks nothing of a filesystem that may not answer. */
export function filesystemOf(folder: string): Filesystem {
  return kernel().filesystemOf(folder)
}

/** How it is mounted; empty where the system does not tell. */
export function mountOptions(folder: string): readonly string[] {
  try {
    return linuxMounts(fs().readFileSync('/proc/self/mountinfo', 'utf8')).at(folder)?.options ?? []
  } catch {
    return []
  }
}
