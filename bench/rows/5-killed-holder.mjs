import { setTimeout as sleep } from 'node:timers/promises'

import { preparedPath } from '../lib/cyclists.mjs'
import { NodeProcess } from '../lib/node-process.mjs'
import { interleave } from '../lib/rounds.mjs'
import { atLeast, atMost, median, percentile } from '../lib/stats.mjs'
import { nodeWaiter, rawWaiter } from '../lib/waiters.mjs'

export const id = 'killed-holder'
export const title = 'SIGKILL of the holder until a blocked waiter owns the lock'

const RAW = 'raw C waiter'
const OURS = 'holdfast'
const PEER = 'proper-lockfile'

export async function measure({ folder, raw, quick }) {
  const path = await preparedPath(folder, 'killed-holder')
  const killed = (name, holder, startWaiter) => ({
    name,
    async start() {
      const waiter = await startWaiter()
      return { run: () => kill(holder, path, waiter), close: () => waiter.close() }
    },
  })
  const fast = await interleave(
    [
      killed(RAW, 'holdfast', () => rawWaiter(raw.program, path)),
      killed(OURS, 'holdfast', () => nodeWaiter('holdfast', path)),
    ],
    quick ? 10 : 80,
    2,
  )
  const slow = await interleave([killed(PEER, PEER, () => nodeWaiter(PEER, path))], quick ? 1 : 2, 0)
  const entries = [...fast, ...slow].map(({ name, samples, reason }) =>
    reason === undefined ? { name, median: median(samples), p99: percentile(samples, 0.99) } : { name, reason },
  )
  const [rawC, ours, peer] = entries
  return {
    entries,
    unit: 'from SIGKILL to ownership',
    baseline: OURS,
    notes:
      'The holder is a Node process. Most of the time is the kernel taking its memory down before it closes its files. proper-lockfile with default options, trying every 50 ms.',
    checks: [
      atMost('p50 against a raw C waiter', ours.median / rawC.median, 2, ' ×'),
      atLeast('faster than proper-lockfile', peer.median / ours.median, 100, ' ×'),
    ],
    plot: { title, unit: 'p50, logarithmic', ours: [OURS], log: true },
  }
}

/** Microseconds from the kill of a fresh holder to the grant. */
async function kill(contender, path, waiter) {
  const holder = await NodeProcess.start('contender.mjs', [contender, path])
  await holder.ask('hold')
  await waiter.begin()
  await sleep(20)
  const begun = Number(process.hrtime.bigint())
  const gone = holder.kill('SIGKILL')
  const granted = await waiter.granted()
  await gone
  return (granted - begun) / 1e3
}
