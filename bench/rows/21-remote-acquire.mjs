import {
  ADVISORY_LOCK,
  BARE_PG,
  BARE_POSTGRES_JS,
  OURS_FLUSHED,
  OURS_PG,
  OURS_POSTGRES_JS,
  REDIS_SEMAPHORE,
  remoteCyclist,
  withServers,
} from '../lib/remote.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'

export const id = 'remote-acquire'
export const title = 'holdfast/postgres: one acquire() and release() after another, uncontended'

const COUNT = 200
const SUBJECTS = [BARE_PG, OURS_PG, OURS_FLUSHED, BARE_POSTGRES_JS, OURS_POSTGRES_JS, REDIS_SEMAPHORE]

export async function measure({ quick }) {
  const runners = await withServers((servers) =>
    interleave(
      [
        ...SUBJECTS.map((subject) => remoteCyclist(subject, servers, COUNT)),
        remoteCyclist(ADVISORY_LOCK, servers, COUNT / 20),
      ],
      quick ? 30 : 200,
      10,
    ),
  )
  const entries = runners.map(summary)
  const of = Object.fromEntries(entries.map((entry) => [entry.name, entry.median]))
  const ratio = (ours, bare) => of[ours.name] / of[bare.name]
  return {
    entries,
    unit: 'a cycle',
    baseline: BARE_PG.name,
    notes:
      'Servers with default settings on the same host, by TCP. The bare queries are `select pg_try_advisory_lock($1)` and `select pg_advisory_unlock($1)`, of which postgres.js prepares each and pg none. holdfast lets go of a lock and takes the next one in a single query, in which it also looks whether others wait, and takes a fencing number, which the server writes to its log; with flush() it waits for the release, and makes two. A series of cycles is over when the server has let go of the last lock. redis-semaphore asks another server, and advisory-lock connects for each lock.',
    checks: [
      atMost('with pg, against the bare queries', ratio(OURS_PG, BARE_PG), 1.25, ' ×'),
      atMost('with postgres.js, against the bare queries', ratio(OURS_POSTGRES_JS, BARE_POSTGRES_JS), 1.25, ' ×'),
    ],
  }
}
