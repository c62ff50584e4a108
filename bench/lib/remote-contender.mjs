// holdfast/postgres as a contender, whatever client and heartbeat it has.
import { openPostgres } from '../../dist/postgres.js'

const NAME = 'bench'

export async function remoteContender(options) {
  const locks = await openPostgres({ namespace: 'bench', ...options })
  return {
    async cycle() {
      const hold = await locks.acquire(NAME)
      hold.release()
    },
    async flushed() {
      const hold = await locks.acquire(NAME)
      hold.release()
      await locks.flush()
    },
    /** Another one is granted when the last one is free. */
    async settle() {
      const hold = await locks.acquire(NAME)
      hold.release()
    },
    async lock() {
      const hold = await locks.acquire(NAME, { timeout: Infinity })
      return () => hold.release()
    },
  }
}
