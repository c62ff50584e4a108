// Lanes that never rest: each begins its next piece of work in the moment that it was told of the end of the last one. So
// the time between two of those moments has everything in it, also what a lane waits while a synchronous peer serves the
// others.
import { percentile } from './stats.mjs'

/**
 * Runs `work(lane, n)`, n = 0, 1, 2 …, in each of `lanes` for `length` ms, then `finish()`. Answers how often for each lane,
 * how many in a second altogether, and in microseconds the time to each one's end: its median, p99 and maximum.
 */
export async function runLanes(lanes, length, work, finish = () => {}) {
  const times = []
  const begun = performance.now()
  const end = begun + length
  const run = async (lane) => {
    let last = performance.now()
    let count = 0
    while (last < end) {
      await work(lane, count)
      count++
      const now = performance.now()
      times.push(now - last)
      last = now
    }
    return [lane, count]
  }
  const counts = await Promise.all(lanes.map(run))
  await finish()
  const seconds = (performance.now() - begun) / 1e3
  return {
    counts,
    total: times.length,
    rate: times.length / seconds,
    median: percentile(times, 0.5) * 1e3,
    p99: percentile(times, 0.99) * 1e3,
    longest: times.reduce((most, time) => Math.max(most, time), 0) * 1e3,
  }
}
