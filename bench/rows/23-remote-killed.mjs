import { killProcess } from '../lib/killed.mjs'
import {
  ADVISORY_LOCK,
  BARE_PG,
  OURS_PG,
  OURS_POSTGRES_JS,
  REDIS_SEMAPHORE,
  urlFor,
  withServers,
} from '../lib/remote.mjs'
import { interleave } from '../lib/rounds.mjs'
import { atLeast, atMost, median, percentile } from '../lib/stats.mjs'

export const id = 'remote-killed'
export const title = 'holdfast/postgres: SIGKILL of the holder until a waiter on another connection owns the lock'

const BARE = { ...BARE_PG, name: 'bare pg_advisory_lock, pg' }

/** Milliseconds: twice the time after which redis-semaphore frees a lock. */
const PATIENCE = 20_000

export async function measure({ quick }) {
  const { fast, slow } = await withServers(async (servers) => {
    const killed = (subject) => ({
      name: subject.name,
      start() {
        const [url, kill] = [urlFor(subject, servers), killProcess(subject.contender)]
        return { run: () => kill(url, PATIENCE) }
      },
    })
    return {
      fast: await interleave([BARE, OURS_PG, OURS_POSTGRES_JS, ADVISORY_LOCK].map(killed), quick ? 5 : 40, 1),
      slow: await interleave([killed(REDIS_SEMAPHORE)], quick ? 1 : 3, 0),
    }
  })
  const entries = [...fast, ...slow].map(({ name, samples, reason }) =>
    reason === undefined ? { name, median: median(samples), p99: percentile(samples, 0.99) } : { name, reason },
  )
  const of = Object.fromEntries(entries.map((entry) => [entry.name, entry.median]))
  return {
    entries,
    unit: 'from SIGKILL to ownership',
    baseline: BARE.name,
    notes:
      'The holder is a Node process on the host of the server: its system closes the connection, and the server drops the session. redis-semaphore with default options: its lock lasts 10 s after it was refreshed last.',
    checks: [
      atMost('against a bare waiter', of[OURS_PG.name] / of[BARE.name], 1.5, ' ×'),
      atLeast('faster than redis-semaphore', of[REDIS_SEMAPHORE.name] / of[OURS_PG.name], 100, ' ×'),
    ],
  }
}
