// Schedules that the simulation found to break a promise, made as short as they go.
import { afterAll, beforeAll, expect, test } from 'vitest'

import { play, prepare } from '../../lab/simulation/play.js'
import type { Ask, Call, Schedule } from '../../lab/simulation/steps.js'

let end: () => void
beforeAll(() => {
  end = prepare()
})
afterAll(() => end())

const ASK: Omit<Ask, 'path'> = {
  process: 0,
  mode: 'exclusive',
  owner: null,
  maxHold: Infinity,
  keep: false,
  record: true,
  then: null,
  onLoss: null,
  onEvent: null,
}

function acquire(timeout: number, options: Partial<Ask> = {}): Call {
  return { do: 'acquire', ...ASK, path: '/a', timeout, ...options }
}

async function expectKept(schedule: Schedule): Promise<void> {
  const { violations } = await play(schedule)
  expect(violations).toEqual([])
}

test('a request that is refused on its way to a new queue leaves no queue behind', async () => {
  const steps: Schedule['steps'] = [
    { do: 'acquire all', ...ASK, owner: 0, paths: ['/a', '/b'], timeout: 0 },
    { do: 'close owner', process: 0, owner: 0 },
    { do: 'microtasks', ticks: 0 },
    { do: 'rest' },
  ]
  await expectKept({ processes: 1, owners: 1, steps })
})

test('a shared hold that the watchdog ended splits no queue in two', async () => {
  const steps: Schedule['steps'] = [
    acquire(0, { maxHold: 1 }),
    acquire(Infinity, { mode: 'shared', maxHold: 5 }),
    acquire(50, { owner: 1 }),
    acquire(50, { mode: 'shared' }),
    { do: 'release', which: 0 },
    acquire(Infinity),
    { do: 'rest' },
    { do: 'pass', milliseconds: 5 },
    { do: 'close owner', process: 0, owner: 1 },
    acquire(0, { mode: 'shared' }),
  ]
  await expectKept({ processes: 1, owners: 2, steps })
})

test('a wait lasts no longer than those who are left, also when others are refused together', async () => {
  const steps: Schedule['steps'] = [
    { do: 'try', ...ASK, process: 1, mode: 'shared', path: '/a' },
    acquire(1, { owner: 0 }),
    acquire(Infinity, { owner: 0, mode: 'shared' }),
    acquire(5),
    { do: 'close owner', process: 0, owner: 0 },
  ]
  await expectKept({ processes: 2, owners: 1, steps })
})
