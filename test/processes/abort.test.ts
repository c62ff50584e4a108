// A signal ends a wait at once, with its own reason, and nothing of the wait stays.
import { getEventListeners } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { acquire, acquireAll, holds, releaseAll, tryAcquire, withLock, type Hold } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { missing } from '../helpers/capabilities.js'
import {
  baseline,
  descriptorsOf,
  holdersOf,
  kernelTables,
  locksOf,
  nobodyLeft,
  threadsOf,
} from '../helpers/kernel-tables.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { until, untilSync } from '../helpers/until.js'
import { startWatchdog } from '../helpers/watchdog.js'

/** What a wait was refused with; fails when it was granted. */
async function refusal(wait: Promise<unknown>): Promise<unknown> {
  return wait.then(
    () => {
      throw new Error('it was granted')
    },
    (reason: unknown) => reason,
  )
}

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length
}

test('a signal that is aborted already: its own reason, and no lock file', async () => {
  const path = file()
  const reason = { not: 'even an error' }
  const signal = AbortSignal.abort(reason)
  expect(await refusal(acquire(path, { signal }))).toBe(reason)
  expect(await refusal(acquire(path, { signal, timeout: 0 }))).toBe(reason)
  expect(await refusal(withLock(path, { signal }, () => 'never'))).toBe(reason)
  expect(await refusal(acquireAll([path, `${path}2`], { signal }))).toBe(reason)
  expect(existsSync(`${path}.hold`)).toBe(false)
  expect(existsSync(`${path}2.hold`)).toBe(false)
  expect(listeners(signal)).toBe(0)
})

test.for(['first in the queue', 'second in the queue'])('an abort behind a hold of this process, %s', async (place) => {
  const path = file()
  const hold = await acquire(path)
  const other = place === 'second in the queue' ? acquire(path) : null
  const controller = new AbortController()
  const waiting = acquire(path, { signal: controller.signal })
  const reason = new Error('enough')
  controller.abort(reason)
  expect(await refusal(waiting)).toBe(reason)
  expect(hold.held).toBe(true)
  hold.release()
  if (other !== null) (await other).release()
  expect(tryAcquire(path)).not.toBeNull()
})

test('an abort behind another process', async () => {
  const path = file()
  const holder = await Agent.start()
  const hold = await holder.acquire(path)
  const controller = new AbortController()
  const waiting = acquire(path, { signal: controller.signal })
  if (kernelTables.there) await waiterBlocked(hold.lockfile, process.pid)
  const reason = new Error('enough')
  controller.abort(reason)
  expect(await refusal(waiting)).toBe(reason)

  await holder.release(hold)
  const again = await holder.acquire(path, { timeout: Infinity })
  expect(holds()).toEqual([])
  expect(await holder.isHeld(again)).toBe(true)
})

test('an abort does not end a hold', async () => {
  const controller = new AbortController()
  const hold = await acquire(file(), { signal: controller.signal })
  controller.abort()
  expect(hold.held).toBe(true)
  hold.assertHeld()
})

test('an abort and then, in the same tick, the release that would have granted it: refused, and the lock is free', async () => {
  const path = file()
  const hold = await acquire(path)
  const controller = new AbortController()
  const waiting = acquire(path, { signal: controller.signal })
  const reason = new Error('enough')
  controller.abort(reason)
  hold.release()
  expect(await refusal(waiting)).toBe(reason)
  expect(holds()).toEqual([])
  const other = await Agent.start()
  expect(await other.tryAcquire(path)).not.toBeNull()
})

test('an abort and then, in the same tick, the release that would have granted it: the next waiter gets the lock', async () => {
  const path = file()
  const hold = await acquire(path)
  const controller = new AbortController()
  const waiting = acquire(path, { signal: controller.signal })
  const next = acquire(path)
  const reason = new Error('enough')
  controller.abort(reason)
  hold.release()
  expect(await refusal(waiting)).toBe(reason)
  expect((await next).held).toBe(true)
})

test('a release and then, in the same tick, an abort: granted', async () => {
  const path = file()
  const hold = await acquire(path)
  const controller = new AbortController()
  const waiting = acquire(path, { signal: controller.signal })
  hold.release()
  controller.abort(new Error('too late'))
  expect((await waiting).held).toBe(true)
})

test.skipIf(missing(kernelTables))(
  'an abort after the kernel granted the lock and before anybody was told: refused, and the lock is free',
  async () => {
    const path = file()
    const holder = await Agent.start()
    const hold = await holder.acquire(path)
    const controller = new AbortController()
    const waiting = acquire(path, { signal: controller.signal })
    await waiterBlocked(hold.lockfile, process.pid)

    const reason = new Error('enough')
    const released = holder.release(hold)
    untilSync('the kernel granted it', () => holdersOf(hold.lockfile)[0] === process.pid)
    controller.abort(reason)
    expect(holdersOf(hold.lockfile)).toEqual([])
    expect(await refusal(waiting)).toBe(reason)
    await released
    expect(await holder.tryAcquire(path)).not.toBeNull()
  },
)

test.skipIf(missing(kernelTables))(
  'an abort after the kernel granted the lock and before anybody was told: the next waiter gets the lock',
  async () => {
    const path = file()
    const holder = await Agent.start()
    const hold = await holder.acquire(path)
    const controller = new AbortController()
    const waiting = acquire(path, { signal: controller.signal })
    const next = acquire(path)
    await waiterBlocked(hold.lockfile, process.pid)

    const reason = new Error('enough')
    const released = holder.release(hold)
    untilSync('the kernel granted it', () => holdersOf(hold.lockfile)[0] === process.pid)
    controller.abort(reason)
    expect(await refusal(waiting)).toBe(reason)
    expect((await next).held).toBe(true)
    await released
    expect(await holder.tryAcquire(path)).toBeNull()
  },
)

test('AbortSignal.timeout ends a wait with its TimeoutError', async () => {
  const path = file()
  await acquire(path)
  const signal = AbortSignal.timeout(20)
  const error = await refusal(acquire(path, { signal, timeout: Infinity }))
  expect(error).toBe(signal.reason)
  expect(error).toMatchObject({ name: 'TimeoutError' })
  expect(listeners(signal)).toBe(0)
})

test('AbortSignal.any ends a wait with the reason of the signal that aborted', async () => {
  const path = file()
  await acquire(path)
  const controller = new AbortController()
  const signal = AbortSignal.any([controller.signal, new AbortController().signal])
  const waiting = acquire(path, { signal })
  const reason = new Error('enough')
  controller.abort(reason)
  expect(await refusal(waiting)).toBe(reason)
  expect(listeners(signal)).toBe(0)
})

test('fifty waits on one signal add one listener and print no warning; none stays after abort, time-out or grant', async () => {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  const folder = scratch()
  const paths = Array.from({ length: 5 }, (_, i) => join(folder, `file${i}`))
  const blockers = await Promise.all(paths.map((path) => acquire(path)))
  const fifty = (signal: AbortSignal, timeout: number) =>
    Array.from({ length: 50 }, (_, i) => acquire(paths[i % paths.length] ?? '', { signal, timeout }))

  const aborted = new AbortController()
  const refused = fifty(aborted.signal, Infinity)
  expect(listeners(aborted.signal)).toBe(1)
  aborted.abort('enough')
  expect(new Set(await Promise.all(refused.map(refusal)))).toEqual(new Set(['enough']))
  expect(listeners(aborted.signal)).toBe(0)

  const late = new AbortController()
  await Promise.all(fifty(late.signal, 5).map(refusal))
  expect(listeners(late.signal)).toBe(0)

  const granted = new AbortController()
  const waiting = fifty(granted.signal, Infinity)
  expect(listeners(granted.signal)).toBe(1)
  for (const blocker of blockers) blocker.release()
  await Promise.all(waiting.map(async (wait) => (await wait).release()))
  expect(listeners(granted.signal)).toBe(0)
  expect(warnings).toEqual([])
})

test('a lock that is granted at once adds no listener', async () => {
  const { signal } = new AbortController()
  await acquire(file(), { signal })
  expect(listeners(signal)).toBe(0)
})

test('an abort of one of two signals leaves the waits on the other', async () => {
  const path = file()
  const hold = await acquire(path)
  const [one, other] = [new AbortController(), new AbortController()]
  const [first, second] = [acquire(path, { signal: one.signal }), acquire(path, { signal: other.signal })]
  const [third, fourth] = [acquire(path, { signal: one.signal }), acquire(path, { signal: other.signal })]
  one.abort('enough')
  expect(await refusal(first)).toBe('enough')
  expect(await refusal(third)).toBe('enough')
  await mustStayBlocked(Promise.race([second, fourth]))
  hold.release()
  ;(await second).release()
  expect((await fourth).held).toBe(true)
})

/** Holds of two files, in the order in which acquireAll() takes them: that of their inode numbers. */
async function inOrder(paths: readonly string[]): Promise<[Hold, Hold]> {
  const taken = await Promise.all(paths.map((path) => acquire(path)))
  taken.sort((a, b) => statSync(a.lockfile).ino - statSync(b.lockfile).ino)
  return taken as [Hold, Hold]
}

test('an abort between two files of acquireAll refuses the request with its reason and holds nothing', async () => {
  const folder = scratch()
  onTestFinished(() => void releaseAll())
  const paths = [join(folder, 'a'), join(folder, 'b')]
  const [first, second] = await inOrder(paths)
  const controller = new AbortController()
  const waiting = acquireAll(paths, { signal: controller.signal, timeout: 1000 })
  await mustStayBlocked(waiting)
  const reason = new Error('enough')
  // The first file is granted by now, the second was not asked for yet.
  first.release()
  controller.abort(reason)
  expect(await refusal(waiting)).toBe(reason)
  expect(holds().map(({ lockfile }) => lockfile)).toEqual([second.lockfile])
  expect(listeners(controller.signal)).toBe(0)
})

test('an abort while acquireAll waits for its second file frees the first', async () => {
  const folder = scratch()
  onTestFinished(() => void releaseAll())
  const paths = [join(folder, 'a'), join(folder, 'b')]
  const [first, second] = await inOrder(paths)
  const controller = new AbortController()
  const waiting = acquireAll(paths, { signal: controller.signal })
  first.release()
  await mustStayBlocked(waiting)
  expect(holds()).toHaveLength(2)
  const reason = new Error('enough')
  controller.abort(reason)
  expect(await refusal(waiting)).toBe(reason)
  expect(holds().map(({ lockfile }) => lockfile)).toEqual([second.lockfile])
})

test.skipIf(missing(kernelTables))(
  'ten thousand random aborts leave no descriptor, thread, listener or kernel lock behind',
  async () => {
    const path = file()
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    console.log(`random aborts: SEED=${seed}`)
    const [holder, agent] = await Promise.all([Agent.start(), Agent.start()])
    // What is made once and kept is made now.
    await startWatchdog(agent)
    const hold = await holder.acquire(path)
    const before = await baseline(agent.pid)

    const tally = await agent.ask<Record<string, unknown>>('abortStorm', path, seed, 10_000)
    expect(tally).toMatchObject({ granted: 0, others: [], listeners: 0 })
    expect(Number(tally['aborted']) + Number(tally['timedOut'])).toBe(10_000)
    expect(Number(tally['aborted'])).toBeGreaterThan(0)
    expect(Number(tally['timedOut'])).toBeGreaterThan(0)
    // The orphans: one a mode at most, each a thread and a descriptor.
    const orphans = locksOf(hold.lockfile).filter(({ blocked }) => blocked)
    expect(new Set(orphans.map(({ mode }) => mode)).size).toBe(orphans.length)
    expect(threadsOf(agent.pid)).toBe(before.threads + orphans.length)
    expect(descriptorsOf(agent.pid)).toBe(before.descriptors + orphans.length)

    await holder.release(hold)
    await nobodyLeft(hold.lockfile)
    await until('its threads are gone', () => threadsOf(agent.pid) === before.threads)
    await until('its descriptors are closed', () => descriptorsOf(agent.pid) === before.descriptors)
    expect(await agent.holds()).toEqual([])
    expect(await agent.tryAcquire(path)).not.toBeNull()
  },
)
