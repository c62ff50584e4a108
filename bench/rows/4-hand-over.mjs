import { preparedPath } from '../lib/cyclists.mjs'
import { RawProcess } from '../lib/raw.mjs'
import { interleave } from '../lib/rounds.mjs'
import { atLeast, atMost, median, percentile } from '../lib/stats.mjs'
import { nodeWaiter, rawWaiter } from '../lib/waiters.mjs'

export const id = 'hand-over'
export const title = 'Hand-over to a waiter in another process'

const RAW = 'raw C waiter'
const OURS = 'holdfast'
const POLLING = 'a try every 1 ms'

/** Nanoseconds. The waiter is blocked by then. */
const HOLD = 2e6

export async function measure({ folder, raw, quick }) {
  const path = await preparedPath(folder, 'hand-over')
  const handOver = (name, startWaiter) => ({
    name,
    async start() {
      const holder = new RawProcess(raw.program, 'hold', `${path}.hold`)
      const waiter = await startWaiter()
      const run = async () => {
        await holder.ask('hold')
        await waiter.begin()
        // Up to a millisecond longer, at random: a poll must not meet the release in step.
        const released = Number(await holder.ask(`release ${HOLD + Math.floor(Math.random() * 1e6)}`))
        return ((await waiter.granted()) - released) / 1e3
      }
      const close = async () => {
        holder.close()
        await waiter.close()
      }
      return { run, close }
    },
  })
  const runners = await interleave(
    [
      handOver(RAW, () => rawWaiter(raw.program, path)),
      handOver(OURS, () => nodeWaiter('holdfast', path)),
      handOver('fs-ext (flock in the libuv pool)', () => nodeWaiter('fs-ext', path)),
      handOver(POLLING, () => nodeWaiter('holdfast-polling', path)),
    ],
    quick ? 100 : 800,
    20,
  )
  const entries = runners.map(({ name, samples, reason }) =>
    reason === undefined ? { name, median: median(samples), p99: percentile(samples, 0.99) } : { name, reason },
  )
  const of = Object.fromEntries(entries.map((entry) => [entry.name, entry.median]))
  return {
    entries,
    unit: 'from unlock to the first instruction of the waiter',
    baseline: RAW,
    notes: 'The same C holder for all; it unlocks after 2 to 3 ms with the waiter blocked.',
    checks: [
      atMost('p50 against a raw C waiter', of[OURS] / of[RAW], 8, ' ×'),
      atLeast('faster than a try every 1 ms', of[POLLING] / of[OURS], 5, ' ×'),
    ],
    plot: { title, unit: 'µs, p50, logarithmic', ours: [OURS], log: true },
  }
}
