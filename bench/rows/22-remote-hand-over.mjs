import { setTimeout as sleep } from 'node:timers/promises'

import { NodeProcess } from '../lib/node-process.mjs'
import {
  ADVISORY_LOCK,
  BARE_PG,
  BARE_POSTGRES_JS,
  OURS_PG,
  OURS_POSTGRES_JS,
  REDIS_SEMAPHORE,
  urlFor,
  withServers,
} from '../lib/remote.mjs'
import { interleave } from '../lib/rounds.mjs'
import { atMost, median, percentile } from '../lib/stats.mjs'
import { nodeWaiter } from '../lib/waiters.mjs'

export const id = 'remote-hand-over'
export const title = 'holdfast/postgres: hand-over to a waiter in another process'

const SUBJECTS = [
  { ...BARE_PG, name: 'bare pg_advisory_lock, pg' },
  OURS_PG,
  { ...BARE_POSTGRES_JS, name: 'bare pg_advisory_lock, postgres.js' },
  OURS_POSTGRES_JS,
  ADVISORY_LOCK,
  REDIS_SEMAPHORE,
]

/** Milliseconds: the waiter is in the server's queue by then. */
const SHORTEST_HOLD = 20
/** A try every 10 ms must not meet the release in step. */
const LONGER_AT_RANDOM = 10

export async function measure({ quick }) {
  const runners = await withServers((servers) =>
    interleave(
      SUBJECTS.map((subject) => ({ name: subject.name, start: () => startPair(subject, servers) })),
      quick ? 30 : 200,
      5,
    ),
  )
  const entries = runners.map(({ name, samples, reason }) =>
    reason === undefined ? { name, median: median(samples), p99: percentile(samples, 0.99) } : { name, reason },
  )
  const [barePg, oursPg, barePostgresJs, oursPostgresJs] = entries.map((entry) => entry.median)
  return {
    entries,
    unit: 'from the release to the waiter',
    baseline: SUBJECTS[0].name,
    notes: `The holder releases after ${SHORTEST_HOLD} to ${SHORTEST_HOLD + LONGER_AT_RANDOM} ms. The time begins with the call that releases, in the holder, and ends in the waiter when it has the lock. redis-semaphore tries every 10 ms.`,
    checks: [
      atMost('with pg, against a bare waiter', oursPg / barePg, 1.5, ' ×'),
      atMost('with postgres.js, against a bare waiter', oursPostgresJs / barePostgresJs, 1.5, ' ×'),
    ],
  }
}

async function startPair(subject, servers) {
  const url = urlFor(subject, servers)
  const holder = await NodeProcess.start('contender.mjs', [subject.contender, url])
  const waiter = await nodeWaiter(subject.contender, url)
  const run = async () => {
    await holder.ask('hold')
    await waiter.begin()
    await sleep(SHORTEST_HOLD + Math.random() * LONGER_AT_RANDOM)
    const begun = await holder.ask('release')
    return ((await waiter.granted()) - begun) / 1e3
  }
  const close = async () => {
    await holder.kill()
    await waiter.close()
  }
  return { run, close }
}
