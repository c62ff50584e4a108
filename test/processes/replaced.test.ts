// The lock file is deleted or replaced. The lock belongs to the file, not to its name: whoever is granted it must hold
// the file that the path names, and whoever held the old one must find out.
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, describe, expect, test } from 'vitest'

import { acquire, isLockError, LockLostError, releaseAll, tryAcquire, withLock, type Hold } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { missing, posix } from '../helpers/capabilities.js'
import { overlaps, runSections, startFixture } from '../helpers/sections.js'

afterEach(() => void releaseAll())

const newTarget = () => join(scratch(), 'data')

const WAYS: [string, (lockfile: string) => void][] = [
  ['deleted', (lockfile) => rmSync(lockfile)],
  [
    'replaced',
    (lockfile) => {
      writeFileSync(`${lockfile}.new`, '')
      renameSync(`${lockfile}.new`, lockfile)
    },
  ],
]

/** That the path names the file that `hold` has locked is shown by others: they do not get it. */
async function expectToHoldTheFileOfThePath(hold: Hold, other: Agent): Promise<void> {
  hold.assertHeld()
  expect(await other.tryAcquire(hold.path)).toBeNull()
}

function lostError(hold: Hold): LockLostError {
  try {
    hold.assertHeld()
  } catch (error) {
    if (isLockError(error, 'ERR_LOCK_LOST')) return error
    throw error
  }
  throw new Error('the hold was not lost')
}

// A system that refuses to delete open files refuses all that this is about.
describe.skipIf(missing(posix)).each(WAYS)('a lock file that is %s', (_, replace) => {
  test('while held: the hold finds out, and has ended', async () => {
    const hold = await acquire(newTarget())
    const { signal } = hold
    replace(hold.lockfile)
    expect(hold.held).toBe(true)
    const error = lostError(hold)
    expect(error.reason).toBe('replaced')
    expect(error).toMatchObject({ path: hold.path, lockfile: hold.lockfile })
    expect(hold.held).toBe(false)
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toBe(error)
    expect(lostError(hold)).toBe(error)
    hold.release()
  })

  test('while held: a signal that is asked for later has aborted', async () => {
    const hold = await acquire(newTarget())
    replace(hold.lockfile)
    const error = lostError(hold)
    expect(hold.signal.reason).toBe(error)
  })

  test('while held: another process can lock the path, and the end of the old hold does not free it', async () => {
    const hold = await acquire(newTarget())
    replace(hold.lockfile)
    const other = await Agent.start()
    const theirs = await other.acquire(hold.path)
    lostError(hold)
    hold.release()
    await other.assertHeld(theirs)
    expect(tryAcquire(hold.path)).toBeNull()
  })

  test('while held: withLock() rejects when its section found out and said nothing', async () => {
    const section = withLock(newTarget(), (hold) => {
      replace(hold.lockfile)
      lostError(hold)
    })
    await expect(section).rejects.toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'replaced' })
  })

  test('before the wait: who comes then locks the new file at once', async () => {
    const target = newTarget()
    const [holder, other] = [await Agent.start(), await Agent.start()]
    const old = await holder.acquire(target)
    replace(old.lockfile)
    const hold = await acquire(target)
    await expectToHoldTheFileOfThePath(hold, other)
    await expect(holder.assertHeld(old)).rejects.toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'replaced' })
    hold.assertHeld()
  })

  test.each(['exclusive', 'shared'] as const)(
    'during a wait for another process: the waiter, %s, gets the new file',
    async (mode) => {
      const target = newTarget()
      const [holder, other] = [await Agent.start(), await Agent.start()]
      const old = await holder.acquire(target)
      const waiting = acquire(target, { mode })
      await mustStayBlocked(waiting)
      replace(old.lockfile)
      await holder.release(old)
      await expectToHoldTheFileOfThePath(await waiting, other)
    },
  )

  test('during a wait for another process: the waiter queues behind who has locked the new file', async () => {
    const target = newTarget()
    const [holder, next] = [await Agent.start(), await Agent.start()]
    const old = await holder.acquire(target)
    const waiting = acquire(target)
    await mustStayBlocked(waiting)
    replace(old.lockfile)
    const newer = await next.acquire(target)
    await holder.release(old)
    await mustStayBlocked(waiting)
    await next.release(newer)
    await expectToHoldTheFileOfThePath(await waiting, holder)
  })

  test('during a wait for another process: all waiters get the new file, in their order', async () => {
    const target = newTarget()
    const [holder, other] = [await Agent.start(), await Agent.start()]
    const old = await holder.acquire(target)
    const order: number[] = []
    const line = Array.from({ length: 5 }, async (_, place) => {
      const hold = await acquire(target)
      order.push(place)
      hold.assertHeld()
      if (place === 0) expect(await other.tryAcquire(target)).toBeNull()
      hold.release()
    })
    await mustStayBlocked(Promise.race(line))
    replace(old.lockfile)
    await holder.release(old)
    await Promise.all(line)
    expect(order).toEqual([0, 1, 2, 3, 4])
  })

  test('during a wait that runs out: the time-out stands, and nothing is held', async () => {
    const target = newTarget()
    const [holder, other] = [await Agent.start(), await Agent.start()]
    const old = await holder.acquire(target)
    const waiting = acquire(target)
    const impatient = expect(acquire(target, { timeout: 200 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    await mustStayBlocked(waiting)
    replace(old.lockfile)
    const newer = await other.acquire(target)
    await impatient
    await holder.release(old)
    await other.release(newer)
    ;(await waiting).release()
    expect(await other.tryAcquire(target)).not.toBeNull()
  })

  test('between hand-overs in one process: the next one gets the new file', async () => {
    const target = newTarget()
    const other = await Agent.start()
    const first = await acquire(target)
    const [second, third] = [acquire(target), acquire(target)]
    replace(first.lockfile)
    first.release()
    const hold = await second
    await expectToHoldTheFileOfThePath(hold, other)
    replace(hold.lockfile)
    hold.release()
    await expectToHoldTheFileOfThePath(await third, other)
  })

  test('between hand-overs in one process: the next one queues behind who has locked the new file', async () => {
    const target = newTarget()
    const other = await Agent.start()
    const first = await acquire(target)
    const second = acquire(target)
    replace(first.lockfile)
    const theirs = await other.acquire(target)
    first.release()
    await mustStayBlocked(second)
    await other.release(theirs)
    await expectToHoldTheFileOfThePath(await second, other)
  })

  test('while waiters queue behind a hold of this process: they move on when it finds out', async () => {
    const target = newTarget()
    const other = await Agent.start()
    const first = await acquire(target)
    const second = acquire(target)
    replace(first.lockfile)
    lostError(first)
    await expectToHoldTheFileOfThePath(await second, other)
  })

  test('while held shared: a second shared hold is of the new file', async () => {
    const target = newTarget()
    const other = await Agent.start()
    const old = await acquire(target, { mode: 'shared' })
    replace(old.lockfile)
    const hold = await acquire(target, { mode: 'shared' })
    await expectToHoldTheFileOfThePath(hold, other)
    expect(lostError(old).reason).toBe('replaced')
    old.release()
    await expectToHoldTheFileOfThePath(hold, other)
    hold.release()
    expect(await other.tryAcquire(target)).not.toBeNull()
  })

  test('while held shared: tryAcquire() takes the new file as well', async () => {
    const target = newTarget()
    const other = await Agent.start()
    const old = await acquire(target, { mode: 'shared' })
    replace(old.lockfile)
    const hold = tryAcquire(target, { mode: 'shared' })
    if (hold === null) throw new Error('the new file was free')
    await expectToHoldTheFileOfThePath(hold, other)
    old.release()
    await expectToHoldTheFileOfThePath(hold, other)
  })

  test('while held shared by several: each finds out by itself, and the others end with nobody', async () => {
    const target = newTarget()
    const [a, b] = await Promise.all([acquire(target, { mode: 'shared' }), acquire(target, { mode: 'shared' })])
    replace(a.lockfile)
    lostError(a)
    expect([a.held, b.held]).toEqual([false, true])
    lostError(b)
    const hold = await acquire(target)
    hold.assertHeld()
  })

  test('and comes back under its name: the hold of the old file is lost for good', async () => {
    const target = newTarget()
    const hold = await acquire(target)
    renameSync(hold.lockfile, `${hold.lockfile}.aside`)
    const error = lostError(hold)
    renameSync(`${hold.lockfile}.aside`, hold.lockfile)
    expect(lostError(hold)).toBe(error)
    expect(hold.held).toBe(false)
    expect((await acquire(target)).held).toBe(true)
  })
})

test.skipIf(missing(posix))(
  'holds that are good to their end never overlap while somebody deletes the lock file',
  async () => {
    const target = newTarget()
    await startFixture('deleter.mjs', `${target}.hold`)
    const reports = await runSections(1000, [target], [target], [target])
    expect(overlaps(reports)).toBe(0)
    const good = reports.reduce((sum, { sections }) => sum + sections.length, 0)
    const lost = reports.reduce((sum, report) => sum + report.lost, 0)
    // The claim is empty unless both happened.
    expect(good).toBeGreaterThan(0)
    expect(lost).toBeGreaterThan(0)
    expect(good + lost).toBe(3000)
    expect(overlaps(reports)).toBe(0)
  },
)
