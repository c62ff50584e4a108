// Since when a process has waited for a lock file: the kernel keeps no such time, but each wait of holdfast has a thread of
// its own, and a thread has a time of birth (Linux).
import { readFileSync, statSync } from 'node:fs'

import { startOfThread, threadsOf } from '../report/processes.js'

/**
 * The wait began then or earlier: no wait is made longer than it is. Null where nothing tells, as of programs that wait with
 * their only thread.
 *
 * Where we may see what its threads are blocked in, it is the birth of that very thread. Elsewhere it is the birth of its
 * youngest thread, for that of the wait is no younger.
 */
export function waitingSince(pid: number, lockfile: string): Date | null {
  const threads = threadsOf(pid).filter((thread) => thread !== String(pid))
  const births = (those: readonly string[]): number[] => {
    return those.map((thread) => startOfThread(pid, thread)?.getTime() ?? NaN).filter((birth) => !Number.isNaN(birth))
  }
  const file = identityOf(lockfile)
  if (file !== null && blockedFile(pid, String(pid)) === file) return null
  const blocked = births(threads.filter((thread) => file !== null && blockedFile(pid, thread) === file))
  if (blocked.length > 0) return new Date(Math.min(...blocked))
  const all = births(threads)
  return all.length > 0 ? new Date(Math.max(...all)) : null
}

/** The file whose descriptor is the first argument of the call that a thread is blocked in. */
function blockedFile(pid: number, thread: string): string | null {
  try {
    const [, descriptor] = readFileSync(`/proc/${pid}/task/${thread}/syscall`, 'latin1').split(' ')
    return descriptor === undefined ? null : identityOf(`/proc/${pid}/fd/${Number(descriptor)}`)
  } catch {
    return null
  }
}

function identityOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return null
  }
}
