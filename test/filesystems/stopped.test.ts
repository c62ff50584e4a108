// A filesystem that does not answer: a FUSE daemon that is stopped in the middle of everything, as a server that is
// gone. Nothing may hold up the event loop for long, and nothing may be left when the daemon goes on.
import { readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { acquire, holds, inspect, LockTimeoutError, releaseAll, tryAcquire } from '../../src/index.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { Agent } from '../helpers/agent.js'
import { missing } from '../helpers/capabilities.js'
import { baseline, kernelTables } from '../helpers/kernel-tables.js'
import { bindfs, fuse } from '../helpers/mount.js'
import { scratch } from '../helpers/scratch.js'
import { Thread } from '../helpers/thread.js'
import { until } from '../helpers/until.js'

/** A file behind FUSE, its name without FUSE, and the two ends of the daemon's sleep. */
async function behindFuse() {
  const source = scratch()
  const { folder, daemon } = await bindfs(source)
  return {
    path: join(folder, 'file'),
    stop: () => void daemon.kill('SIGSTOP'),
    goOn: () => void daemon.kill('SIGCONT'),
  }
}

const notAnswered = expect.objectContaining({
  code: 'ERR_LOCK_SYSTEM',
  cause: expect.objectContaining({ code: 'ETIMEDOUT' }) as unknown,
}) as unknown

/** Turns of the event loop until `promise` settles. */
async function turnsUntil(promise: Promise<unknown>): Promise<number> {
  let turns = 0
  const counter = setInterval(() => turns++, 1)
  await promise.catch(() => {})
  clearInterval(counter)
  return turns
}

describe.skipIf(missing(fuse, kernelTables))('while the filesystem does not answer', () => {
  test('acquire leaves the event loop free, rejects at its deadline, and holds nothing afterwards', async () => {
    const { path, stop, goOn } = await behindFuse()
    ;(await acquire(path)).release()
    const before = await baseline(process.pid)
    stop()
    const waiting = acquire(path, { timeout: 300 })
    expect(await turnsUntil(waiting)).toBeGreaterThan(50)
    await expect(waiting).rejects.toThrow(LockTimeoutError)
    goOn()
    await until('the orphan has gone', async () => (await baseline(process.pid)).threads <= before.threads)
    expect((await baseline(process.pid)).descriptors).toBe(before.descriptors)
    tryAcquire(path)?.release()
  })

  test('a symlink is followed once the filesystem answers', async () => {
    const { path, stop, goOn } = await behindFuse()
    const link = `${path}-link`
    symlinkSync(path, link)
    stop()
    const waiting = [acquire(link), acquire(link)]
    goOn()
    const [first, second] = waiting
    const hold = await first
    expect(hold?.path).toBe(path)
    expect(tryAcquire(path)).toBeNull()
    hold?.release()
    expect((await second)?.path).toBe(path)
    ;(await second)?.release()
  })

  test('an abort rejects at once, and the next acquire goes on in its place', async () => {
    const { path, stop, goOn } = await behindFuse()
    ;(await acquire(path)).release()
    const before = await baseline(process.pid)
    stop()
    const controller = new AbortController()
    const waiting = acquire(path, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    const again = acquire(path)
    expect((await baseline(process.pid)).threads).toBe(before.threads + 1)
    goOn()
    const hold = await again
    expect(hold.held).toBe(true)
    hold.release()
  })

  test('tryAcquire gives up with a typed error, and lets go of what it got later', async () => {
    const { path, stop, goOn } = await behindFuse()
    ;(await acquire(path)).release()
    stop()
    expect(() => tryAcquire(path)).toThrow(notAnswered)
    expect(() => tryAcquire(path)).toThrow(notAnswered)
    await expect(acquire(path, { timeout: 0 })).rejects.toEqual(notAnswered)
    goOn()
    const other = await Agent.start()
    expect((await other.acquire(path)).fence).not.toBeNull()
    expect(holds()).toEqual([])
  })

  test('assertHeld cannot tell and says so; the hold goes on', async () => {
    const { path, stop, goOn } = await behindFuse()
    const hold = await acquire(path)
    stop()
    expect(() => hold.assertHeld()).toThrow(notAnswered)
    expect(hold.held).toBe(true)
    goOn()
    hold.assertHeld()
    hold.release()
  })

  test('release returns, and the lock is freed and its record finished when the filesystem goes on', async () => {
    const { path, stop, goOn } = await behindFuse()
    const hold = await acquire(path)
    stop()
    hold.release()
    expect(hold.held).toBe(false)
    goOn()
    const other = await Agent.start()
    expect((await other.acquire(path)).recoveredFrom).toBeNull()
  })

  test('many releases do not wait for one another', async () => {
    const { path, stop, goOn } = await behindFuse()
    const other = await Agent.start()
    const before = await baseline(process.pid)
    const paths = Array.from({ length: 100 }, (_, index) => `${path}-${index}`)
    const all = await Promise.all(paths.map((one) => acquire(one)))
    stop()
    for (const hold of all) hold.release()
    goOn()
    for (const one of paths) expect((await other.acquire(one)).recoveredFrom).toBeNull()
    await until('all threads have gone', async () => (await baseline(process.pid)).threads <= before.threads)
    expect((await baseline(process.pid)).descriptors).toBe(before.descriptors)
  })

  test('a release elsewhere does not wait for it, however much is overdue', async () => {
    const [dead, healthy, other] = [await behindFuse(), await behindFuse(), await Agent.start()]
    const hold = await acquire(healthy.path)
    dead.stop()
    const paths = Array.from({ length: 80 }, (_, index) => `${dead.path}-${index}`)
    await Promise.all(paths.map((path) => expect(acquire(path, { timeout: 50 })).rejects.toThrow(LockTimeoutError)))
    hold.release()
    expect((await other.acquire(healthy.path)).recoveredFrom).toBeNull()
    dead.goOn()
  })

  test('a target where it is mounted is not looked at, and nor is one whose lock file lies elsewhere', async () => {
    const { path, stop, goOn } = await behindFuse()
    const elsewhere = join(scratch(), 'lock')
    stop()
    ;(await acquire(dirname(path))).release()
    tryAcquire(dirname(path))?.release()
    const hold = await acquire(path, { lockfile: elsewhere })
    expect(hold.lockfile).toBe(elsewhere)
    hold.release()
    goOn()
  })

  test('a link is not followed by a call that must answer at once', async () => {
    const { path, stop, goOn } = await behindFuse()
    const link = `${path}-link`
    symlinkSync(path, link)
    tryAcquire(link)?.release()
    stop()
    expect(() => tryAcquire(link)).toThrow(notAnswered)
    expect(() => inspect(link)).toThrow(notAnswered)
    goOn()
    expect(tryAcquire(link)?.path).toBe(path)
    releaseAll()
  })

  test('a record that is written too late is ended all the same', async () => {
    const { path, stop, goOn } = await behindFuse()
    const kernel = new NativeKernel()
    const file = kernel.locate(path, { strict: false, atOnce: true })
    const answer = kernel.request(file, 'exclusive', 'try')
    if (answer.kind !== 'granted') throw new Error(answer.kind)
    stop()
    expect(() => kernel.write(answer.lease, Buffer.from('magic:held'))).toThrow('ETIMEDOUT')
    kernel.release(answer.lease, Buffer.from('magic:free'), 6)
    goOn()
    await until('its ending is written', () => readFileSync(file.lockfile, 'latin1') === 'magic:free')
    const other = await Agent.start()
    await other.acquire(path, { record: false })
  })

  test('a worker that waits and holds can be terminated', async () => {
    const { path, stop, goOn } = await behindFuse()
    const thread = await Thread.start()
    await thread.acquire(path)
    stop()
    const waiting = thread.acquire(`${path}-other`)
    await Promise.all([thread.worker.terminate(), expect(waiting).rejects.toThrow('ended')])
    goOn()
    const other = await Agent.start()
    expect((await other.acquire(path)).recoveredFrom?.pid).toBe(process.pid)
    await other.acquire(`${path}-other`)
  })
})
