// Resolves once a request, of `pid` or of anybody, is blocked in the kernel for a lock file: from then on the holder may
// die, and the waiter is granted without any step of its own.
import { kernelTables, waitersOf } from './kernel-tables.js'
import { mustStayBlocked } from './must-stay-blocked.js'
import { until } from './until.js'

export async function waiterBlocked(lockfile: string, pid?: number): Promise<void> {
  if (!kernelTables.there) {
    // Where the system does not tell, the wait has begun once everything had its time.
    await mustStayBlocked(new Promise(() => {}))
    return
  }
  await until(`somebody waits in the kernel for ${lockfile}`, () => {
    const waiters = waitersOf(lockfile)
    return pid === undefined ? waiters.length > 0 : waiters.includes(pid)
  })
}
