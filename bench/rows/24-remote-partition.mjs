import { setTimeout as sleep } from 'node:timers/promises'

import { Host } from '../lib/host.mjs'
import { NodeProcess } from '../lib/node-process.mjs'
import { ADVISORY_LOCK, BARE_PG, OURS_PG, OURS_SHORT, REDIS_SEMAPHORE, urlFor, withServers } from '../lib/remote.mjs'
import { atMost, duration, median } from '../lib/stats.mjs'
import { nodeWaiter } from '../lib/waiters.mjs'

export const id = 'remote-partition'
export const title = "holdfast/postgres: the holder's host is cut off until a waiter elsewhere owns the lock"

const DEFAULT = { ...OURS_PG, name: 'holdfast/postgres, heartbeat.server 15,000 ms (default)' }
const SUBJECTS = [
  { ...OURS_SHORT, bound: 3000 },
  { ...DEFAULT, bound: 15_000 },
  { ...REDIS_SEMAPHORE, bound: 10_000 },
  { ...BARE_PG, name: 'bare pg_advisory_lock, pg' },
  ADVISORY_LOCK,
]

/** Milliseconds after which "not within" is printed: twice the longest bound. */
const PATIENCE = 30_000
/** Milliseconds: long enough for every waiter to be in its queue. */
const SETTLE = 500

export async function measure({ quick }) {
  const samples = []
  // With new servers each time: some keep the lock of the host that was cut off for hours.
  for (let round = 0; round < (quick ? 1 : 3); round++) samples.push(await withServers(cutOnce))
  const entries = SUBJECTS.map(({ name, bound }, index) => {
    const mine = samples.map((round) => round[index])
    const reason = mine.find((sample) => sample.reason !== undefined)?.reason
    return reason === undefined
      ? { name, bound, median: median(mine.map(({ time }) => time)) }
      : { name, bound, reason }
  })
  return {
    columns: ['', 'configured', 'from the cut to ownership, median'],
    lines: entries.map(({ name, bound, median: time, reason }) => [
      name,
      bound === undefined ? '—' : `${(bound / 1000).toFixed(0)} s`,
      reason ?? (time === Infinity ? `not within ${PATIENCE / 1000} s` : duration(time)),
    ]),
    entries: [],
    notes:
      'All holders are on one host, a network namespace, whose address is taken away; the servers and the waiters are on another. What is configured is how long the server waits for a word of the holder. The numbers of holdfast are checked when it connects, so that the holder knows of its loss before that.',
    checks: [SUBJECTS[0], SUBJECTS[1]].map(({ name, bound }, index) =>
      atMost(`${name}: against what is configured`, entries[index].median / 1e3 / bound, 1.5, ' ×'),
    ),
  }
}

/** One cut for all: microseconds until each waiter owned its lock, or why that could not be measured. */
async function cutOnce(servers) {
  let host
  try {
    host = new Host()
  } catch (error) {
    return SUBJECTS.map(() => ({ reason: `not run: ${error.message}` }))
  }
  const pairs = []
  try {
    for (const subject of SUBJECTS) pairs.push(await startPair(subject, servers, host))
    await sleep(SETTLE)
    const begun = Number(process.hrtime.bigint())
    host.cut()
    const stop = new AbortController()
    const patience = sleep(PATIENCE, Infinity, { signal: stop.signal }).catch(() => Infinity)
    const samples = pairs.map(async ({ waiter, reason }) => {
      if (reason !== undefined) return { reason }
      return { time: ((await Promise.race([waiter.granted(), patience])) - begun) / 1e3 }
    })
    const all = await Promise.all(samples)
    stop.abort()
    return all
  } finally {
    for (const { close } of pairs) await close?.()
    host.remove()
  }
}

async function startPair(subject, servers, host) {
  let holder, waiter
  const close = async () => {
    await holder?.kill()
    await waiter?.close()
  }
  try {
    const far = urlFor(subject, servers, host.address)
    holder = await NodeProcess.start('contender.mjs', [subject.contender, far], host.forkOptions)
    waiter = await nodeWaiter(subject.contender, urlFor(subject, servers))
    await holder.ask('hold')
    await waiter.begin()
    return { waiter, close }
  } catch (error) {
    await close()
    return { reason: `not run: ${error.message}` }
  }
}
