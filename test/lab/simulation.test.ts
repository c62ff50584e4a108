// A short form of the simulation (lab/simulation): whatever happens in whatever order, every step keeps the promises. The long
// form is `npm run lab:simulation`.
import { afterAll, beforeAll, expect, test } from 'vitest'

import { play, prepare } from '../../lab/simulation/play.js'
import { Random } from '../../lab/simulation/random.js'
import { simulate } from '../../lab/simulation/simulate.js'
import { schedule } from '../../lab/simulation/steps.js'

let end: () => void
beforeAll(() => {
  end = prepare()
})
afterAll(() => end())

/** What so many steps must have met, or they prove little. */
const EVENTS = [
  ...['granted', 're-entered', 'shared', 'ended in a guard', 'ended by its last guard', 'leak', 'overrun'],
  ...['released', 'max-hold', 'owner-closed', 'collected', 'released-all', 'replaced'],
  ...['aborted', 'ERR_LOCK_TIMEOUT', 'ERR_LOCK_OWNER_CLOSED', 'ERR_LOCK_DEADLOCK', 'ERR_LOCK_SYSTEM'],
]

test('no schedule breaks a promise', async () => {
  const seed = Number(process.env['HOLDFAST_SEED'] ?? 30_000) // which meets none of the faults in simulation-found.test.ts
  const steps = Number(process.env['HOLDFAST_STEPS'] ?? 60_000)
  const { failures, unstable, seen } = await simulate({ seed, steps, schedules: Infinity, again: 20, mostFailures: 1 })
  const told = failures.map(({ seed, violations }) => {
    return `npm run lab:simulation -- --seed ${seed} --trace: ${violations.join('; ')}`
  })
  expect(told).toEqual([])
  expect(unstable).toEqual([])
  for (const event of EVENTS) expect(seen.get(event) ?? 0, event).toBeGreaterThan(0)
}, 120_000)

test('a seed plays the same way each time, and another one another way', async () => {
  const hashes = []
  for (const seed of [7, 7, 8]) hashes.push((await play(schedule(new Random(seed)))).hash)
  expect(hashes[0]).toBe(hashes[1])
  expect(hashes[0]).not.toBe(hashes[2])
})
