// Incident I-5: five main runs and five that these started, at once on one session. A hard-coded wait is shorter than the queue
// is long; who gets the lock is a matter of luck, the others fail, and all that is told is a text which looks like a
// failure of the model. The same script on both protocols, with numbers a hundred times smaller.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as pause } from 'node:timers/promises'

import { describe, expect, onTestFinished, test } from 'vitest'

import * as holdfast from '../../src/index.js'
import { holdfastLanes, lockFileLanes, type Lanes } from '../fixtures/incident-lanes.mjs'
import { file } from '../helpers/target.js'

const NAMES = ['main', 'agent'].flatMap((kind) => [1, 2, 3, 4, 5].map((number) => `${kind}:${number}`))
/** What a run does under the lock, in milliseconds. */
const WORK = 30
const RULES = { timeout: 100, staleAge: 30_000, poll: 5 }

interface Run {
  name: string
  /** Milliseconds by the run's own watch, within its hold. */
  worked: number
}

interface Concurrency {
  /** In the order in which they were inside. */
  served: Run[]
  failed: { name: string; busy: boolean; text: string }[]
}

/** All at once, and each in a lane of its own. */
async function concurrentRuns(lanes: Lanes, path: string): Promise<Concurrency> {
  const result: Concurrency = { served: [], failed: [] }
  const run = async (name: string): Promise<void> => {
    const lock = await lanes.lane(name).acquire(path)
    const begun = performance.now()
    await pause(WORK)
    result.served.push({ name, worked: performance.now() - begun })
    lock.release()
  }
  const runs = NAMES.map((name) => {
    return run(name).catch((error: unknown) => {
      result.failed.push({ name, busy: holdfast.isLockError(error, 'ERR_LOCK_TIMEOUT'), text: String(error) })
    })
  })
  await Promise.all(runs)
  return result
}

test('with lock files and a wait that is shorter than the queue, runs fail, and nothing tells them that it was busy', async () => {
  const { served, failed } = await concurrentRuns(lockFileLanes(RULES), file())
  expect(served.length + failed.length).toBe(NAMES.length)
  // The tenth would begin after nine times the work, at the soonest.
  expect(failed.length).toBeGreaterThan(0)
  for (const { busy, text } of failed) {
    expect(busy).toBe(false)
    expect(text).toMatch(/^Error: session file locked \(timeout 100ms\)/)
  }
})

test('with holdfast and the time-out nobody has chosen, all runs are served in the order in which they came', async () => {
  const { served, failed } = await concurrentRuns(holdfastLanes(holdfast), file())
  expect(failed).toEqual([])
  expect(served.map(({ name }) => name)).toEqual(NAMES)
})

test('with holdfast a run whose time-out is too short is told by a code that it was busy, and by whom', async () => {
  const path = file()
  const hold = await holdfastLanes(holdfast).lane('main:1').acquire(path)
  const waiting = NAMES.slice(1).map((name) => holdfastLanes(holdfast, { timeout: 20 }).lane(name).acquire(path))
  const outcomes = await Promise.allSettled(waiting)
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: { code: 'ERR_LOCK_TIMEOUT', holder: { pid: process.pid, owner: 'main:1', here: true } },
    })
    expect(holdfast.isLockError((outcome as PromiseRejectedResult).reason, 'ERR_LOCK_TIMEOUT')).toBe(true)
  }
  hold.release()
})

/** What is published on a channel during the test. */
function published<Event>(channel: string): Event[] {
  const events: Event[] = []
  const note = (event: unknown) => void events.push(event as Event)
  subscribe(channel, note)
  onTestFinished(() => void unsubscribe(channel, note))
  return events
}

describe('with holdfast contention can be looked at: of runs that come at once', () => {
  test('each hold tells how long it waited and how long the queue is, and each release how long it lasted', async () => {
    const holds = published<holdfast.HoldEvent>('holdfast:hold')
    const releases = published<holdfast.ReleaseEvent>('holdfast:release')
    const path = file()
    const { served } = await concurrentRuns(holdfastLanes(holdfast), path)

    expect(holds.map(({ owner }) => owner)).toEqual(NAMES)
    expect(releases.map(({ owner }) => owner)).toEqual(NAMES)
    for (const event of [...holds, ...releases]) expect(event).toMatchObject({ path, mode: 'exclusive' })
    let ahead = 0
    for (const [index, { worked }] of served.entries()) {
      // All of it by one watch: the work of those ahead lies within the wait, and a run's own within its hold.
      expect(holds[index]?.waited).toBeGreaterThanOrEqual(ahead)
      expect(releases[index]?.heldFor).toBeGreaterThanOrEqual(worked)
      ahead += worked
    }
    expect(holds.map(({ queued }) => queued)).toEqual([0, 8, 7, 6, 5, 4, 3, 2, 1, 0])
  })

  test('each request tells its place in the queue when it asks, and its wait when it is answered', async () => {
    const asked = published<holdfast.AcquireTrace>('tracing:holdfast:acquire:start')
    const answered = published<holdfast.AcquireTrace>('tracing:holdfast:acquire:asyncEnd')
    const path = file()
    const { served } = await concurrentRuns(holdfastLanes(holdfast), path)

    expect(asked.map(({ owner }) => owner)).toEqual(NAMES)
    expect(answered.map(({ owner }) => owner)).toEqual(NAMES)
    expect(answered.map(({ queued }) => queued)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    let ahead = 0
    for (const [index, { worked }] of served.entries()) {
      expect(answered[index]).toMatchObject({ path, timeout: 30_000 })
      expect(answered[index]?.waited).toBeGreaterThanOrEqual(ahead)
      ahead += worked
    }
  })

  test('each that gives up is told of with its wait, which is what an alert counts', async () => {
    const errors = published<holdfast.AcquireTrace & { error: unknown }>('tracing:holdfast:acquire:error')
    const path = file()
    const holder = await holdfast.acquire(path)
    const { failed } = await concurrentRuns(holdfastLanes(holdfast, { timeout: 20 }), path)
    holder.release()

    expect(failed.map(({ busy }) => busy)).toEqual(NAMES.map(() => true))
    expect(errors.map(({ owner }) => owner)).toEqual(NAMES)
    for (const { error, ...trace } of errors) {
      expect(holdfast.isLockError(error, 'ERR_LOCK_TIMEOUT')).toBe(true)
      expect(trace).toMatchObject({ path, timeout: 20 })
    }
  })
})
