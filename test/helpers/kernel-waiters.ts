// Resolves once a request, of `pid` or of anybody, is blocked in the kernel for a lock file (Linux).
import { waitersOf } from './kernel-tables.js'
import { until } from './until.js'

export async function waiterBlocked(lockfile: string, pid?: number): Promise<void> {
  await until(`somebody waits in the kernel for ${lockfile}`, () => {
    const waiters = waitersOf(lockfile)
    return pid === undefined ? waiters.length > 0 : waiters.includes(pid)
  })
}
