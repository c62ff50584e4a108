// Several locks as one: all or nothing, and nobody dead-locks with somebody who takes the same ones in another order.
import { linkSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { afterEach, describe, expect, test } from 'vitest'

import { acquire, acquireAll, holds, inspect, LockLostError, Owner, releaseAll, tryAcquire } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { missing, posix } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { overlaps, runSections } from '../helpers/sections.js'
import { until } from '../helpers/until.js'

afterEach(() => void releaseAll())

/** Targets in the order in which acquireAll() takes them. */
async function members(count: number): Promise<string[]> {
  const folder = scratch()
  const paths = Array.from({ length: count }, (_, index) => join(folder, `data-${count - index}`))
  const set = await acquireAll(paths)
  set.release()
  return set.holds.map(({ path }) => path)
}

const heldPaths = () => holds().map(({ path }) => path)

/** Nobody holds any of them: another process can take them all. */
async function expectFree(paths: readonly string[], other: Agent): Promise<void> {
  for (const path of paths) {
    const hold = await other.tryAcquire(path)
    expect(hold, path).not.toBeNull()
    if (hold !== null) await other.release(hold)
  }
}

describe('the order', () => {
  test('processes that take the same files in opposite orders never block each other for good', async () => {
    const folder = scratch()
    const paths = ['a', 'b', 'c'].map((name) => join(folder, name))
    const reports = await runSections(300, paths, [...paths].reverse())
    expect(reports.map(({ sections, lost }) => [sections.length, lost])).toEqual([
      [300, 0],
      [300, 0],
    ])
    expect(overlaps(reports)).toBe(0)
  })

  test('processes whose sets overlap in part never block each other for good', async () => {
    const folder = scratch()
    const [a = '', b = '', c = ''] = ['a', 'b', 'c'].map((name) => join(folder, name))
    const reports = await runSections(200, [a, b], [b, c], [c, a])
    expect(reports.map(({ sections }) => sections.length)).toEqual([200, 200, 200])
  })

  test('lanes of one process never block each other for good, and exclude each other', async () => {
    const folder = scratch()
    const paths = ['a', 'b', 'c', 'd'].map((name) => join(folder, name))
    const inside = new Set<string>()
    const lanes = Array.from({ length: 24 }, async (_, lane) => {
      for (let round = 0; round < 20; round++) {
        const first = paths[(lane + round) % 4] ?? ''
        const second = paths[(lane + round + 1 + (lane % 3)) % 4] ?? ''
        const set = await acquireAll(lane % 2 === 0 ? [first, second] : [second, first])
        for (const path of [first, second]) expect(inside.has(path)).toBe(false)
        inside.add(first).add(second)
        await new Promise(setImmediate)
        inside.delete(first)
        inside.delete(second)
        set.release()
      }
    })
    await Promise.all(lanes)
    expect(holds()).toEqual([])
  })

  test.skipIf(missing(posix))('is that of the files, not of their names', async () => {
    const folder = scratch()
    const paths = ['m', 'c', 'z', 'a', 'q', 'b'].map((name) => join(folder, name))
    // Their numbers follow the order of their making on most filesystems, which is not that of the alphabet.
    for (const path of paths) (await acquire(path)).release()
    const byNumber = (a: string, b: string) =>
      statSync(`${a}.hold`, { bigint: true }).ino < statSync(`${b}.hold`, { bigint: true }).ino ? -1 : 1
    const expected = [...paths].sort(byNumber)
    for (const asked of [paths, [...paths].sort(), [...paths].reverse()]) {
      const set = await acquireAll(asked)
      expect(set.holds.map(({ path }) => path)).toEqual(expected)
      set.release()
    }
  })
})

describe('names of one file are one lock', () => {
  test('the same path, relative and absolute, as text and as URL', async () => {
    const path = join(scratch(), 'data')
    const set = await acquireAll([path, path, pathToFileURL(path), join(path, '..', 'data')])
    expect(set.holds).toHaveLength(1)
    expect(tryAcquire(path)).toBeNull()
    set.release()
    expect(tryAcquire(path)).not.toBeNull()
  })

  test.skipIf(missing(posix))('symlinks to the target and to its folder, and hard links of the lock file', async () => {
    const folder = scratch()
    const path = join(folder, 'data')
    mkdirSync(join(folder, 'other'))
    symlinkSync(path, join(folder, 'link'))
    symlinkSync(folder, join(folder, 'folder'))
    ;(await acquire(path)).release()
    linkSync(`${path}.hold`, join(folder, 'other', 'hard.hold'))
    const aliases = [path, join(folder, 'link'), join(folder, 'folder', 'data'), join(folder, 'other', 'hard')]
    const set = await acquireAll([...aliases, join(folder, 'another')])
    expect(set.holds).toHaveLength(2)
    const other = await Agent.start()
    for (const alias of aliases) expect(await other.tryAcquire(alias)).toBeNull()
    set.release()
    for (const alias of aliases) await other.release(await other.acquire(alias))
  })

  test('no path at all is a set that holds nothing', async () => {
    const set = await acquireAll([])
    expect(set.holds).toEqual([])
    expect([set.held, set.signal.aborted]).toEqual([true, false])
    set.release()
  })
})

describe('all or nothing', () => {
  test.each([0, 1, 2])('after a time-out because of member %d nothing is held', async (busy) => {
    const paths = await members(3)
    const other = await Agent.start()
    await other.acquire(paths[busy] ?? '')
    await expect(acquireAll(paths, { timeout: 50 })).rejects.toMatchObject({
      code: 'ERR_LOCK_TIMEOUT',
      path: paths[busy],
    })
    expect(holds()).toEqual([])
    await expectFree(
      paths.filter((_, index) => index !== busy),
      other,
    )
  })

  test('a timeout of 0 takes what is free at once, or nothing', async () => {
    const paths = await members(2)
    const other = await Agent.start()
    const theirs = await other.acquire(paths[1] ?? '')
    await expect(acquireAll(paths, { timeout: 0 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    await expectFree([paths[0] ?? ''], other)
    await other.release(theirs)
    expect((await acquireAll(paths, { timeout: 0 })).held).toBe(true)
  })

  test('after a time-out nothing is granted later either', async () => {
    const paths = await members(2)
    const [holder, other] = [await Agent.start(), await Agent.start()]
    const theirs = await holder.acquire(paths[1] ?? '')
    await expect(acquireAll(paths, { timeout: 50 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    await holder.release(theirs)
    for (const path of paths) await other.acquire(path)
    expect(holds()).toEqual([])
  })

  test('a member that cannot be locked at all frees the others', async () => {
    const paths = await members(2)
    const bad = join(scratch(), 'data')
    mkdirSync(`${bad}.hold`)
    await expect(acquireAll([...paths, bad])).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM' })
    expect(holds()).toEqual([])
    await expectFree(paths, await Agent.start())
  })

  test('a member whose lock is refused after others were taken frees them', async () => {
    const paths = await members(3)
    const other = await Agent.start()
    const theirs = await other.acquire(paths[1] ?? '')
    const waiting = acquireAll(paths)
    expect(heldPaths()).toEqual([paths[0]])
    rmSync(`${paths[2]}.hold`)
    mkdirSync(`${paths[2]}.hold`)
    const refused = expect(waiting).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM', path: paths[2] })
    await other.release(theirs)
    await refused
    expect(holds()).toEqual([])
    await expectFree(paths.slice(0, 2), other)
  })

  test('an abort in the middle frees what was taken and rejects with the reason of the signal', async () => {
    const paths = await members(3)
    const other = await Agent.start()
    await other.acquire(paths[1] ?? '')
    const controller = new AbortController()
    const waiting = acquireAll(paths, { signal: controller.signal })
    await mustStayBlocked(waiting)
    expect(heldPaths()).toEqual([paths[0]])
    const reason = new Error('changed my mind')
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect(holds()).toEqual([])
    await expectFree([paths[0] ?? '', paths[2] ?? ''], other)
  })

  test('an abort between two members counts as well', async () => {
    const paths = await members(2)
    const other = await Agent.start()
    await other.acquire(paths[1] ?? '')
    const controller = new AbortController()
    // The first member is granted within the call, the second is asked for after it.
    const waiting = acquireAll(paths, { signal: controller.signal, timeout: 500 })
    expect(heldPaths()).toEqual([paths[0]])
    const reason = new Error('changed my mind')
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect(holds()).toEqual([])
  })

  test('a death in the middle frees what was taken', async () => {
    const paths = await members(2)
    const [holder, dying] = [await Agent.start(), await Agent.start()]
    await holder.acquire(paths[1] ?? '')
    const waiting = dying.acquireAll(paths)
    await until('the first is taken', () => inspect(paths[0] ?? '').state === 'held')
    await Promise.all([dying.kill(), expect(waiting).rejects.toThrow('ended')])
    expect(tryAcquire(paths[0] ?? '')).not.toBeNull()
  })
})

// A system that refuses to delete open files refuses this.
describe.skipIf(missing(posix))('a member that is replaced', () => {
  test('after it was taken and before the others were: all are taken again, the new file included', async () => {
    const paths = await members(3)
    const other = await Agent.start()
    const theirs = await other.acquire(paths[2] ?? '')
    const waiting = acquireAll(paths)
    await mustStayBlocked(waiting)
    expect(heldPaths()).toEqual(paths.slice(0, 2))
    rmSync(`${paths[0]}.hold`)
    await other.release(theirs)
    const set = await waiting
    expect(set.holds.map(({ path }) => path).sort()).toEqual([...paths].sort())
    for (const hold of set.holds) hold.assertHeld()
    for (const path of paths) expect(await other.tryAcquire(path)).toBeNull()
    expect(holds()).toHaveLength(3)
  })

  test('and locked by another process: it waits for that, and the time-out stands', async () => {
    const paths = await members(2)
    const [holder, other] = [await Agent.start(), await Agent.start()]
    const theirs = await holder.acquire(paths[1] ?? '')
    const waiting = acquireAll(paths, { timeout: 2000 })
    await mustStayBlocked(waiting)
    rmSync(`${paths[0]}.hold`)
    await other.acquire(paths[0] ?? '')
    const refused = expect(waiting).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT', path: paths[0] })
    await holder.release(theirs)
    await refused
    expect(holds()).toEqual([])
    await expectFree([paths[1] ?? ''], holder)
  })

  test('while the set is held: the set is held no longer, and its signal says why', async () => {
    const set = await acquireAll(await members(3))
    const { signal } = set
    const hold = set.holds[1]
    rmSync(hold?.lockfile ?? '')
    expect([set.held, signal.aborted]).toEqual([true, false])
    expect(() => hold?.assertHeld()).toThrow(LockLostError)
    expect([set.held, signal.aborted]).toEqual([false, true])
    expect(signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'replaced', path: hold?.path })
    // The others are held until they are released.
    expect(set.holds.map(({ held }) => held)).toEqual([true, false, true])
    set.release()
    expect(holds()).toEqual([])
  })
})

describe('a member whose last holder died', () => {
  /** The members, the first of which a process held until it was killed. */
  async function abandoned(): Promise<{ first: string; second: string; pid: number }> {
    const [first = '', second = ''] = await members(2)
    const dying = await Agent.start()
    await dying.acquire(first, { label: 'dead' })
    await dying.kill()
    return { first, second, pid: dying.pid }
  }

  test('tells of it once in the set', async () => {
    const { first, second, pid } = await abandoned()
    const set = await acquireAll([first, second])
    expect(set.holds.map(({ recoveredFrom }) => recoveredFrom?.pid)).toEqual([pid, undefined])
    set.release()
    const again = await acquireAll([first, second])
    expect(again.holds.map(({ recoveredFrom }) => recoveredFrom)).toEqual([null, null])
    again.release()
  })

  test.each(['exclusive', 'shared'] as const)(
    'tells the next holder, in whatever process, when a set of %s holds came to nothing',
    async (mode) => {
      const { first, second, pid } = await abandoned()
      const other = await Agent.start()
      await other.acquire(second)
      for (let round = 0; round < 3; round++) {
        await expect(acquireAll([first, second], { mode, timeout: 0 })).rejects.toMatchObject({
          code: 'ERR_LOCK_TIMEOUT',
        })
      }
      expect(inspect(first).state).toBe('abandoned')
      const next = await other.acquire(first)
      expect(next.recoveredFrom).toMatchObject({ pid, label: 'dead', state: 'held' })
      await other.release(next)
      expect((await other.acquire(first)).recoveredFrom).toBeNull()
    },
  )

  test('tells the next in line of the same thread when the set was given up', async () => {
    const { first, second, pid } = await abandoned()
    const other = await Agent.start()
    await other.acquire(second)
    const controller = new AbortController()
    const set = acquireAll([first, second], { signal: controller.signal })
    expect(heldPaths()).toEqual([first])
    const waiting = acquire(first)
    controller.abort(new Error('changed my mind'))
    await expect(set).rejects.toThrow('changed my mind')
    const next = await waiting
    expect(next.recoveredFrom).toMatchObject({ pid, label: 'dead', state: 'held' })
    next.release()
    expect(tryAcquire(first)?.recoveredFrom).toBeNull()
  })

  test('gives larger fences afterwards than the set that was given up had', async () => {
    const { first, second } = await abandoned()
    const other = await Agent.start()
    await other.acquire(second)
    const waiting = acquireAll([first, second], { timeout: 100 })
    const given = holds().find(({ path }) => path === first)?.fence
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    expect((await other.acquire(first)).fence).toBeGreaterThan(given ?? Infinity)
  })

  test('tells of what is more recent: a hold that was revoked before the set was given up', async () => {
    const { first, second } = await abandoned()
    const other = await Agent.start()
    await other.acquire(second)
    const owner = new Owner('lane')
    const waiting = acquireAll([first, second], { owner, timeout: 500 })
    const inside = await acquire(first, { owner, label: 'inside', maxHold: 1 })
    await until('the hold inside is lost', () => !inside.held)
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    const next = await other.acquire(first)
    expect(next.recoveredFrom).toMatchObject({ pid: process.pid, state: 'revoked', reason: 'max-hold' })
  })
})

describe('a set', () => {
  test('releases all of its members, once', async () => {
    const paths = await members(3)
    const other = await Agent.start()
    const set = await acquireAll(paths)
    const { signal } = set
    expect(heldPaths().sort()).toEqual([...paths].sort())
    for (const path of paths) expect(await other.tryAcquire(path)).toBeNull()
    set.release()
    expect([set.held, signal.aborted]).toEqual([false, false])
    await expectFree(paths, other)
    const again = await acquireAll(paths)
    set.release()
    expect(again.held).toBe(true)
  })

  test('is held only while all of its members are', async () => {
    const set = await acquireAll(await members(2))
    expect(set.held).toBe(true)
    set.holds[0]?.release()
    expect(set.held).toBe(false)
    expect(set.signal.aborted).toBe(false)
  })

  test('aborts its signal when releaseAll() ends it', async () => {
    const set = await acquireAll(await members(2))
    const { signal } = set
    expect(releaseAll('the end')).toBe(2)
    expect(signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'released-all', cause: 'the end' })
  })

  test('is released at the end of its scope', async () => {
    const paths = await members(2)
    {
      using set = await acquireAll(paths)
      expect(set.held).toBe(true)
    }
    expect(holds()).toEqual([])
    {
      await using set = await acquireAll(paths)
      expect(set.held).toBe(true)
    }
    expect(holds()).toEqual([])
  })

  test('of shared holds lets others share, and nobody write', async () => {
    const paths = await members(2)
    const other = await Agent.start()
    const set = await acquireAll(paths, { mode: 'shared', label: 'reader' })
    expect(set.holds.map(({ mode, label }) => [mode, label])).toEqual([
      ['shared', 'reader'],
      ['shared', 'reader'],
    ])
    for (const path of paths) {
      expect(await other.tryAcquire(path)).toBeNull()
      expect(await other.tryAcquire(path, { mode: 'shared' })).not.toBeNull()
    }
  })
})
