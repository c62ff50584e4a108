// What is counted, on real files: each outcome, the times, the bound in memory, beginning and end of collecting.
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import * as channels from '../../src/channels.js'
import { acquire, acquireAll, holds, Owner, releaseAll, tryAcquire, withLock, type Hold } from '../../src/index.js'
import { collectStats, type StatsCollector, type StatsOptions } from '../../src/stats.js'
import { Agent } from '../helpers/agent.js'
import { scratch } from '../helpers/scratch.js'
import { secondCopy } from '../helpers/second-copy.js'
import { until } from '../helpers/until.js'

const CHANNELS = ['hold', 'release', 'revoke', 'overrun', 'leak', 'recover', 'deadlock', 'fallback']
const TRACES = ['start', 'end', 'asyncStart', 'asyncEnd', 'error']

function collect(options?: StatsOptions): StatsCollector {
  const collector = collectStats(options)
  onTestFinished(() => {
    collector.stop()
    releaseAll()
  })
  return collector
}

function file(name = 'data'): string {
  return join(scratch(), name)
}

function held(path: string, options?: Parameters<typeof tryAcquire>[1]): Hold {
  const hold = tryAcquire(path, options)
  if (hold === null) throw new Error(`${path} is held`)
  return hold
}

describe('of each outcome there is a count', () => {
  test('acquired, re-entered and released, in total and of the file', async () => {
    const stats = collect()
    const [path, owner] = [file(), new Owner('lane')]
    const first = await acquire(path, { owner })
    const second = await acquire(path, { owner })
    await withLock(file(), () => expect(stats.snapshot().total).toMatchObject({ held: 3, acquired: 3, reentered: 1 }))
    first.release()
    second.release()
    const { total, files } = stats.snapshot()
    expect(total).toMatchObject({ held: 0, waiting: 0, acquired: 3, reentered: 1, released: 3 })
    expect(total.wait.count).toBe(3)
    expect(total.hold.count).toBe(3)
    const ofFile = files.find(({ lockfile }) => lockfile === `${path}.hold`)
    expect(ofFile).toMatchObject({ held: 0, acquired: 2, reentered: 1, released: 2 })
    expect(files).toHaveLength(2)
  })

  test('timed out, aborted, refused, deadlocked and failed', async () => {
    const stats = collect()
    const path = file()
    const hold = held(path)
    const aborted = AbortSignal.abort(new Error('enough'))
    const controller = new AbortController()
    const owner = new Owner('closed')
    const requests = [
      acquire(path, { timeout: 0 }),
      acquire(path, { timeout: 1 }),
      acquire(path, { signal: controller.signal }),
      acquire(path, { owner }),
    ]
    controller.abort(aborted.reason)
    owner.close('the reason')
    const outcomes = await Promise.allSettled(requests)
    expect(outcomes.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    hold.release()

    const [a, b] = [new Owner('a'), new Owner('b')]
    const other = file()
    await acquire(path, { owner: a })
    await acquire(other, { owner: b })
    const waits = acquire(other, { owner: a })
    await expect(acquire(path, { owner: b })).rejects.toMatchObject({ code: 'ERR_LOCK_DEADLOCK' })
    b.close()
    await waits
    a.close()
    const folder = file()
    mkdirSync(`${folder}.hold`)
    await expect(acquire(folder)).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM' })

    const { total } = stats.snapshot()
    expect(total).toMatchObject({ timeouts: 2, aborted: 1, refused: 1, deadlocks: 1, failed: 1, held: 0, waiting: 0 })
    // The four in vain, the deadlock, the failure, and three that were granted: a tryAcquire() does not count.
    expect(total.wait.count).toBe(9)
    expect(stats.snapshot().files.find(({ lockfile }) => lockfile === `${folder}.hold`)).toMatchObject({ failed: 1 })
  })

  test('an abort is told from a failure, whatever the signal was aborted with', async () => {
    const stats = collect()
    const path = file()
    held(path)
    const timedOut: unknown = await acquire(path, { timeout: 0 }).catch((error: unknown) => error)
    const controller = new AbortController()
    const waits = acquire(path, { signal: controller.signal })
    controller.abort(timedOut)
    await expect(waits).rejects.toBe(timedOut)
    expect(stats.snapshot().total).toMatchObject({ timeouts: 1, aborted: 1 })
  })

  test('revoked, by reason', async () => {
    const stats = collect()
    const replaced = held(file())
    rmSync(replaced.lockfile)
    expect(() => replaced.assertHeld()).toThrow()
    const owner = new Owner('lane')
    held(file(), { owner })
    owner.close()
    const short = held(file(), { maxHold: 1 })
    await until('the bound has passed', () => !short.held)
    held(file())
    expect(stats.snapshot().total.revoked).toEqual({
      'max-hold': 1,
      'owner-closed': 1,
      collected: 0,
      'released-all': 0,
      replaced: 1,
      connection: 0,
    })
    releaseAll()
    const { total } = stats.snapshot()
    expect(total.revoked['released-all']).toBe(1)
    expect(total.hold.count).toBe(4)
  })

  test('recovered: the hold before did not end by its own release', async () => {
    const stats = collect()
    const path = file()
    const agent = await Agent.start()
    await agent.acquire(path)
    await agent.kill()
    await acquire(path)
    expect(stats.snapshot().total).toMatchObject({ recovered: 1, acquired: 1 })
  })

  test('overruns: a guard that outlasts its hold', async () => {
    const stats = collect()
    const hold = held(file())
    let leave = (): void => undefined
    const guarded = hold.guard(() => new Promise<void>((resolve) => (leave = resolve)))
    releaseAll()
    await until('it is reported', () => stats.snapshot().total.overruns > 0)
    leave()
    await guarded
    expect(stats.snapshot().total).toMatchObject({ held: 0, revoked: { 'released-all': 1 } })
  })

  test('fallbacks, by kind: a file that is somebody’s data gets no record', () => {
    const stats = collect()
    const lockfile = file()
    writeFileSync(lockfile, 'somebody’s data')
    held(file(), { lockfile })
    expect(stats.snapshot().total.fallbacks).toEqual({ thread: 0, record: 1, filesystem: 0, watchdog: 0 })
    expect(stats.snapshot().files).toMatchObject([{ lockfile, held: 1, fallbacks: { record: 1 } }])
  })

  test('the longest queue, and how many wait now', async () => {
    const stats = collect()
    const path = file()
    const hold = held(path)
    const waits = [acquire(path), acquire(path), acquire(path)]
    expect(stats.snapshot().total).toMatchObject({ held: 1, waiting: 3, longestQueue: 3 })
    expect(stats.snapshot().files).toMatchObject([{ held: 1, waiting: 3, longestQueue: 3 }])
    hold.release()
    for (const wait of waits) (await wait).release()
    expect(stats.snapshot().total).toMatchObject({ held: 0, waiting: 0, longestQueue: 3, acquired: 4 })
  })

  test('acquireAll() counts each of its files', async () => {
    const stats = collect()
    const set = await acquireAll([file(), file()])
    expect(stats.snapshot().total).toMatchObject({ held: 2, acquired: 2 })
    set.release()
    expect(stats.snapshot().total).toMatchObject({ held: 0, released: 2 })
  })
})

describe('times', () => {
  test('are in milliseconds', async () => {
    const stats = collect()
    const path = file()
    const hold = await acquire(path)
    const begin = performance.now()
    const wait = acquire(path)
    await until('30 ms have passed', () => performance.now() - begin > 30)
    const spent = performance.now() - begin
    hold.release()
    ;(await wait).release()
    for (const { wait: waited, hold: lasted } of [stats.snapshot().total, ...stats.snapshot().files]) {
      expect(waited.count).toBe(2)
      expect(waited.max).toBeGreaterThan(30)
      expect(waited.p99).toBeGreaterThan(30 * 0.93)
      expect(waited.p99).toBeLessThanOrEqual(waited.max)
      expect(waited.min).toBeLessThan(waited.max)
      expect(lasted.max).toBeGreaterThanOrEqual(spent)
      expect(lasted.mean).toBeGreaterThanOrEqual(spent / 2)
    }
  })

  test('are 0 where nothing was counted', () => {
    const nothing = { count: 0, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 }
    expect(collect().snapshot().total).toMatchObject({ wait: nothing, hold: nothing })
  })
})

describe('memory', () => {
  test('10,000 files leave the figures of 100, the last ones, and a total of all', () => {
    const stats = collect({ files: 100 })
    const folder = scratch()
    for (let index = 0; index < 10_000; index++) held(join(folder, `${index}`), { record: false }).release()
    const { total, files, forgotten } = stats.snapshot()
    expect(total).toMatchObject({ acquired: 10_000, released: 10_000, held: 0 })
    expect(total.hold.count).toBe(10_000)
    expect(forgotten).toBe(9_900)
    expect(files.map(({ lockfile }) => lockfile)).toEqual(
      Array.from({ length: 100 }, (_, index) => join(folder, `${9_999 - index}.hold`)),
    )
    for (const { acquired, hold } of files) expect([acquired, hold.count]).toEqual([1, 1])
  })

  test('a file that is used again is not the next to be forgotten', () => {
    const stats = collect({ files: 2 })
    const [a, b, c] = [file('a'), file('b'), file('c')]
    for (const path of [a, b, a, c]) held(path).release()
    const { files, forgotten } = stats.snapshot()
    expect(files.map(({ lockfile, acquired }) => [lockfile, acquired])).toEqual([
      [`${c}.hold`, 1],
      [`${a}.hold`, 2],
    ])
    expect(forgotten).toBe(1)
  })

  test('a file that is forgotten while it is held is held still when it is used again', () => {
    const stats = collect({ files: 1 })
    const [a, b] = [file('a'), file('b')]
    const first = held(a, { mode: 'shared' })
    held(b).release()
    held(a, { mode: 'shared' })
    expect(stats.snapshot()).toMatchObject({
      total: { held: 2 },
      files: [{ lockfile: `${a}.hold`, held: 2, acquired: 1 }],
    })
    first.release()
    expect(stats.snapshot().files).toMatchObject([{ held: 1, acquired: 1, released: 1 }])
  })

  test('of no file keeps the total', () => {
    const stats = collect({ files: 0 })
    held(file())
    expect(stats.snapshot()).toMatchObject({ total: { held: 1, acquired: 1 }, files: [], forgotten: 0 })
  })
})

describe('collecting', () => {
  test('knows what is held already', () => {
    const path = file()
    const hold = held(path)
    onTestFinished(() => hold.release())
    const stats = collect()
    expect(stats.snapshot()).toMatchObject({ total: { held: 1, acquired: 0 }, files: [] })
    hold.release()
    expect(stats.snapshot()).toMatchObject({ total: { held: 0, released: 1 }, files: [{ released: 1 }] })
  })

  test('counts a grant to somebody who waited before it began, but not his waiting', async () => {
    const path = file()
    const hold = held(path)
    const wait = acquire(path)
    const stats = collect()
    expect(stats.snapshot().total).toMatchObject({ held: 1, waiting: 0 })
    hold.release()
    await wait
    expect(stats.snapshot().total).toMatchObject({ held: 1, acquired: 1, wait: { count: 0 } })
  })

  test('is in agreement at once, before any event is delivered', () => {
    const stats = collect()
    const hold = held(file())
    expect(stats.snapshot().total).toMatchObject({ held: 1, acquired: 1 })
    hold.release()
    expect(stats.snapshot().total).toMatchObject({ held: 0, released: 1 })
  })

  test('ends what is past its deadline before it answers, although the event loop had no turn', () => {
    const stats = collect()
    const hold = held(file(), { maxHold: 1 })
    while (hold.held) continue
    expect(stats.snapshot().total).toMatchObject({ held: 0, acquired: 1, revoked: { 'max-hold': 1 } })
    expect(holds()).toEqual([])
  })

  test('does not count what had ended when it began, although nobody had noticed', () => {
    const lapsed = (): void => {
      const hold = held(file(), { maxHold: 1 })
      while (hold.held) continue
    }
    lapsed()
    const stats = collect()
    expect(stats.snapshot().total).toMatchObject({ held: 0, hold: { count: 0 }, revoked: { 'max-hold': 0 } })
    lapsed()
    stats.reset()
    expect(stats.snapshot().total).toMatchObject({ held: 0, hold: { count: 0 }, revoked: { 'max-hold': 0 } })
  })

  test('has events made while it counts, without a subscription, and stop() ends that', () => {
    const wanted = (): boolean[] => [
      ...[
        channels.held,
        channels.released,
        channels.revoked,
        channels.overrun,
        channels.recovered,
        channels.deadlocked,
      ].map((topic) => topic.wanted),
      channels.answered.counts,
    ]
    const subscribed = (): boolean =>
      CHANNELS.some((name) => channel(`holdfast:${name}`).hasSubscribers) ||
      TRACES.some((name) => channel(`tracing:holdfast:acquire:${name}`).hasSubscribers)
    expect(wanted()).not.toContain(true)
    const [first, second] = [collect(), collect()]
    expect(wanted()).not.toContain(false)
    expect(subscribed()).toBe(false)
    // Neither leak nor fallback: where nobody subscribes to them, they are warnings.
    expect(channels.leaked.wanted).toBe(false)
    first.stop()
    first.stop()
    expect(wanted()).not.toContain(false)
    second[Symbol.dispose]()
    expect(wanted()).not.toContain(true)
  })

  test('that was stopped answers what there was at the end', () => {
    const stats = collect()
    const hold = held(file())
    stats.stop()
    hold.release()
    stats.reset()
    expect(stats.snapshot()).toMatchObject({ total: { held: 1, acquired: 1, released: 0 }, files: [{ held: 1 }] })
  })

  test('is done by two at once, each from its own beginning', () => {
    const first = collect()
    held(file()).release()
    const second = collect({ files: 0 })
    held(file()).release()
    first.stop()
    held(file())
    expect(first.snapshot().total).toMatchObject({ acquired: 2, released: 2, held: 0 })
    expect(second.snapshot().total).toMatchObject({ acquired: 2, released: 1, held: 1 })
  })

  test('begins again with reset(), but for what is held and waited for', async () => {
    const stats = collect()
    const path = file()
    const hold = held(path)
    const wait = acquire(path)
    stats.reset()
    expect(stats.snapshot()).toMatchObject({
      total: { held: 1, waiting: 1, acquired: 0, longestQueue: 0, hold: { count: 0 } },
      files: [],
      forgotten: 0,
    })
    hold.release()
    await wait
    expect(stats.snapshot().total).toMatchObject({ held: 1, waiting: 0, acquired: 1, released: 1, wait: { count: 1 } })
  })

  test('counts this copy of the package only, although the channels are everybody’s', async () => {
    const copy = await secondCopy()
    const stats = collect()
    let told = 0
    const listener = (): void => {
      told++
    }
    subscribe('holdfast:hold', listener)
    onTestFinished(() => {
      unsubscribe('holdfast:hold', listener)
    })
    const hold = await copy.acquire(file())
    await Promise.resolve()
    hold.release()
    expect(told).toBe(1)
    expect(stats.snapshot().total).toMatchObject({ held: 0, acquired: 0, released: 0, wait: { count: 0 } })
  })

  test('refuses options that mean nothing', () => {
    expect(() => collectStats({ files: -1 })).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }))
    expect(() => collectStats({ files: 1.5 })).toThrow(RangeError)
    expect(() => collectStats({ files: Infinity })).toThrow(/options\.files must be a whole number, 0 or more/)
    // @ts-expect-error text is no number
    expect(() => collectStats({ files: '7' })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
    // @ts-expect-error there is no such option
    expect(() => collectStats({ file: 7 })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }))
    expect(channel('holdfast:hold').hasSubscribers).toBe(false)
  })
})

test('with no subscriber no event is made', async () => {
  const topics = [
    channels.held,
    channels.released,
    channels.revoked,
    channels.recovered,
    channels.deadlocked,
    channels.overrun,
  ]
  let made = 0
  for (const topic of topics) {
    expect(topic.wanted).toBe(false)
    const spy = vi.spyOn(topic, 'publish').mockImplementation(() => {
      made++
    })
    onTestFinished(() => spy.mockRestore())
  }
  const path = file()
  const hold = await acquire(path)
  const wait = acquire(path, { timeout: 1 }).catch(() => undefined)
  await wait
  hold.release()
  held(path)
  releaseAll()
  expect(made).toBe(0)
  const stats = collect()
  held(path)
  expect(made).toBe(2) // it begins, and recovers
  stats.stop()
  releaseAll()
  expect(made).toBe(2)
})
