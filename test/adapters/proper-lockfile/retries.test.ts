// What `retries` means: a wait in the kernel's queue, as long as the original would go on trying.
import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { lock } from '../../../src/adapters/proper-lockfile.js'
import {
  patienceOf,
  pauseAfter,
  scheduleOf,
  type OperationOptions,
  type RetryOptions,
} from '../../../src/adapters/proper-lockfile/retries.js'
import { Agent } from '../../helpers/agent.js'
import { mustStayBlocked } from '../../helpers/must-stay-blocked.js'
import { scratch } from '../../helpers/scratch.js'
import { errorOf, someFile } from './files.js'

/** Milliseconds from the first try of the original to its last one, played with a clock that is turned by hand. */
function lastTryOf({ pauses, forever, maxRetryTime }: ReturnType<typeof scheduleOf>, most: number): number {
  let left = [...pauses]
  for (let now = 0; now < most;) {
    if (now >= maxRetryTime) return now
    if (left.length === 0 && forever) left = [...pauses]
    const next = left.shift()
    if (next === undefined) return now
    now += next
  }
  return Infinity
}

describe('the pauses', () => {
  const pauses = (retries: number | OperationOptions): readonly number[] => scheduleOf(retries).pauses

  test('are none where nothing is said', () => {
    for (const nothing of [undefined, null, 0, NaN, -1, { retries: 0 }]) {
      expect(patienceOf(scheduleOf(nothing))).toBe(0)
    }
  })

  test('are those of the package retry', () => {
    expect(pauses(3)).toEqual([1000, 2000, 4000])
    expect(pauses({})).toHaveLength(10)
    expect(pauses({ retries: 5, maxTimeout: 1000 })).toEqual([1000, 1000, 1000, 1000, 1000])
    expect(pauses({ retries: 4, minTimeout: 10, factor: 3 })).toEqual([10, 30, 90, 270])
    expect(pauses({ retries: 3, minTimeout: 100, factor: 0.5 })).toEqual([25, 50, 100])
    expect(pauses([30, 10])).toEqual([10, 30])
    expect(pauses({ forever: true, retries: 0 })).toEqual([1000])
  })

  test('are longer at random, up to twice as long, where that is asked for', () => {
    const drawn = Array.from({ length: 200 }, () => Number(pauses({ retries: 1, randomize: true })[0]))
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(1000)
    expect(Math.max(...drawn)).toBeLessThanOrEqual(2000)
    expect(new Set(drawn).size).toBeGreaterThan(50)
  })

  test('are never shorter or longer than a timer can be', () => {
    expect(pauses({ retries: 2, minTimeout: 0 })).toEqual([1, 1])
    expect(pauses({ retries: 1, minTimeout: NaN })).toEqual([1])
    expect(pauses({ retries: 1, minTimeout: 1e12 })).toEqual([2 ** 31 - 1])
  })

  test('must have a minTimeout that is not greater than maxTimeout', async () => {
    const retries = { minTimeout: 2, maxTimeout: 1 }
    await expect(lock(someFile(), { retries })).rejects.toThrow('minTimeout is greater than maxTimeout')
  })
})

describe('the patience', () => {
  test('is the sum of the pauses', () => {
    expect(patienceOf(scheduleOf(3))).toBe(7000)
    expect(patienceOf(scheduleOf({ retries: 5, maxTimeout: 1000 }))).toBe(5000)
  })

  test('has no end with forever', () => {
    for (const retries of [{ forever: true }, { forever: true, retries: 2 }, { retries: Infinity }, Infinity]) {
      expect(patienceOf(scheduleOf(retries))).toBe(Infinity)
    }
  })

  test('is that of the original, whatever the options', () => {
    const some = {
      retries: fc.nat({ max: 12 }),
      factor: fc.double({ min: 0, max: 3, noNaN: true }),
      minTimeout: fc.nat({ max: 50 }),
      maxTimeout: fc.integer({ min: 50, max: 1000 }),
      forever: fc.boolean(),
      randomize: fc.boolean(),
      maxRetryTime: fc.nat({ max: 3000 }),
    }
    fc.assert(
      fc.property(fc.record(some, { requiredKeys: ['retries', 'minTimeout', 'maxTimeout'] }), (options) => {
        const schedule = scheduleOf(options)
        const { forever = false, maxRetryTime = 0 } = options
        expect(schedule).toMatchObject({ forever, maxRetryTime: maxRetryTime || Infinity })
        expect(patienceOf(schedule)).toBe(lastTryOf(schedule, 1e6))
      }),
      { numRuns: 500 },
    )
  })
})

test('a pause after a try that failed is the next one of the schedule, while there is one', () => {
  const after = (tries: number, elapsed: number, retries: RetryOptions): number | null =>
    pauseAfter(tries, elapsed, scheduleOf(retries))
  const three = { retries: 3, minTimeout: 10 }
  expect([1, 2, 3, 4].map((tries) => after(tries, 0, three))).toEqual([10, 20, 40, null])
  expect([3, 4, 5].map((tries) => after(tries, 0, { ...three, forever: true }))).toEqual([40, 10, 20])
  expect(after(1, 99, { ...three, maxRetryTime: 100 })).toBe(10)
  expect(after(1, 100, { ...three, maxRetryTime: 100 })).toBeNull()
})

describe('a wait', () => {
  test('ends when the holder releases, not at the next pause', async () => {
    const file = someFile()
    const release = await lock(file)
    // The original would try again after an hour.
    const waiting = lock(file, { retries: { retries: 1, minTimeout: 3_600_000 } })
    await mustStayBlocked(waiting)
    await release()
    await (
      await waiting
    )()
  })

  test('ends when a holder in another process is killed', async () => {
    const file = someFile()
    const agent = await Agent.start()
    await agent.acquire(file)
    const waiting = lock(file, { retries: { forever: true } })
    await mustStayBlocked(waiting)
    await agent.kill()
    await (
      await waiting
    )()
  })

  test('ends with ELOCKED when the pauses are over, never earlier', async () => {
    const file = someFile()
    await lock(file)
    const begun = performance.now()
    const retries = { retries: 3, minTimeout: 20, factor: 1 }
    expect(await errorOf(() => lock(file, { retries }))).toMatchObject({ code: 'ELOCKED', file })
    expect(performance.now() - begun).toBeGreaterThanOrEqual(59)
  })

  test('is served in the order of arrival', async () => {
    const file = someFile()
    const release = await lock(file, { realpath: false })
    const order: number[] = []
    const waits = [1, 2, 3].map(async (place) => {
      const mine = await lock(file, { realpath: false, retries: 10 })
      order.push(place)
      await mine()
    })
    await release()
    await Promise.all(waits)
    expect(order).toEqual([1, 2, 3])
  })
})

describe('what the system refuses', () => {
  test('is tried again after each pause', async () => {
    const folder = join(scratch(), 'later')
    const waiting = lock(join(folder, 'file'), {
      realpath: false,
      retries: { forever: true, minTimeout: 1, factor: 1 },
    })
    await mustStayBlocked(waiting)
    mkdirSync(folder)
    await (
      await waiting
    )()
  })

  test('is what is thrown when the pauses are over', async () => {
    const file = join(scratch(), 'missing', 'file')
    const retries = { retries: 2, minTimeout: 1 }
    expect(await errorOf(() => lock(file, { realpath: false, retries }))).toMatchObject({ code: 'ENOENT' })
  })

  test('is waited for where a folder of the original is in the place of the lock file', async () => {
    const file = someFile()
    const lockfilePath = `${file}.lock`
    mkdirSync(lockfilePath)
    const waiting = lock(file, { lockfilePath, retries: { forever: true, minTimeout: 1, factor: 1 } })
    await mustStayBlocked(waiting)
    rmdirSync(lockfilePath)
    await (
      await waiting
    )()
  })
})
