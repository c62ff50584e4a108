// Everybody takes turns, round after round and each round from another start, so that whatever else the machine does
// meets all of them alike.
import { median } from './stats.mjs'

/**
 * `contenders` are { name, start }; start() resolves to { run, close }, run() to one sample: a number, or an object of
 * numbers. Answers, for each contender, { name, samples } or { name, reason } where it could not be run.
 */
export async function interleave(contenders, rounds, warmUps = 1) {
  const runners = []
  try {
    for (const { name, start } of contenders) {
      try {
        runners.push({ name, samples: [], ...(await start()) })
      } catch (error) {
        runners.push({ name, samples: [], reason: error.message })
      }
    }
    for (let round = -warmUps; round < rounds; round++) {
      for (let place = 0; place < runners.length; place++) {
        const runner = runners[(place + round + runners.length * warmUps) % runners.length]
        if (runner.reason !== undefined) continue
        try {
          const sample = await runner.run()
          if (round >= 0) runner.samples.push(sample)
        } catch (error) {
          runner.reason = error.message
        }
      }
    }
  } finally {
    for (const { close } of runners) await close?.()
  }
  return runners
}

/** For samples { mean, p99 } in nanoseconds: what a table shows, in microseconds. */
export function summary({ name, samples, reason }) {
  if (reason !== undefined) return { name, reason }
  const p99s = samples.map(({ p99 }) => p99).filter((p99) => p99 !== undefined)
  return {
    name,
    median: median(samples.map(({ mean }) => mean)) / 1e3,
    p99: p99s.length > 0 ? median(p99s) / 1e3 : undefined,
  }
}
