// The public functions where every call on the lock file is made aside, as on NFS. The folder is local and the mount
// table says otherwise; what becomes of calls that do not return is in stopped.test.ts.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

import { describe, expect, onTestFinished, test } from 'vitest'

import { LockError, LockTimeoutError, type FallbackEvent } from '../../src/index.js'
import { Holdfast } from '../../src/holdfast.js'
import { systemClock } from '../../src/kernel/clock.js'
import type { ClaimAnswer, Lease } from '../../src/kernel/kernel.js'
import type { Mount, MountList } from '../../src/kernel/mount-table.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'
import { parseRecord } from '../../src/record.js'
import { Agent } from '../helpers/agent.js'
import { missing, posix, type Capability } from '../helpers/capabilities.js'
import { DISTANT, SURE } from '../helpers/filesystem.js'
import { baseline, kernelTables, waitersOf } from '../helpers/kernel-tables.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'

const NFS: Mount = { point: '/', type: 'nfs4', source: 'nas:/home', options: [] }

const only = (mount: Mount): MountList => ({ mounts: [mount], text: JSON.stringify(mount), at: () => mount })

/** Everything lies on `mount`. */
function on(mount: Mount): Holdfast {
  const holdfast = new Holdfast(() => new NativeKernel(() => only(mount)), systemClock)
  onTestFinished(() => void holdfast.releaseAll())
  return holdfast
}

const target = (): string => join(scratch(), 'file')

const recordOf = (path: string) => parseRecord(readFileSync(`${path}.hold`, 'latin1'))

describe('on a distant filesystem', () => {
  test('acquire excludes other processes, and release lets them in', async () => {
    const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
    const hold = await holdfast.acquire(path)
    expect(await other.tryAcquire(path)).toBeNull()
    hold.release()
    const theirs = await other.acquire(path)
    expect(holdfast.tryAcquire(path)).toBeNull()
    await other.release(theirs)
    holdfast.tryAcquire(path)?.release()
  })

  test('a waiter is woken by the release of another process, and by its death', async () => {
    const [holdfast, path] = [on(NFS), target()]
    for (const end of ['release', 'kill'] as const) {
      const other = await Agent.start()
      const theirs = await other.acquire(path)
      const waiting = holdfast.acquire(path)
      await mustStayBlocked(waiting)
      await (end === 'kill' ? other.kill() : other.release(theirs))
      const hold = await waiting
      expect(hold.held).toBe(true)
      expect(hold.recoveredFrom?.pid).toBe(end === 'kill' ? other.pid : undefined)
      hold.release()
    }
  })

  test('the record tells who holds and how it ended, and fences grow', async () => {
    const [holdfast, path] = [on(NFS), target()]
    const first = await holdfast.acquire(path, { label: 'first' })
    expect(recordOf(path)).toMatchObject({ state: 'held', label: 'first', pid: process.pid })
    first.release()
    expect(recordOf(path)?.state).toBe('free')
    const second = await holdfast.acquire(path)
    expect(second.recoveredFrom).toBeNull()
    expect(second.fence).toBeGreaterThan(first.fence ?? Infinity)
    holdfast.releaseAll()
    expect(recordOf(path)).toMatchObject({ state: 'revoked' })
    expect((await holdfast.acquire(path)).recoveredFrom?.state).toBe('revoked')
  })

  test('lanes take turns in order', async () => {
    const [holdfast, path] = [on(NFS), target()]
    const order: number[] = []
    const lanes = Array.from({ length: 40 }, (_, lane) =>
      holdfast.withLock(path, undefined, () => void order.push(lane)),
    )
    await Promise.all(lanes)
    expect(order).toEqual(Array.from({ length: 40 }, (_, lane) => lane))
  })

  test('shared holds go together and keep an exclusive one out', async () => {
    const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
    const ours = await holdfast.acquire(path, { mode: 'shared' })
    const theirs = await other.acquire(path, { mode: 'shared' })
    const waiting = holdfast.acquire(path)
    await mustStayBlocked(waiting)
    ours.release()
    await other.release(theirs)
    expect((await waiting).mode).toBe('exclusive')
  })

  test('a time-out rejects, names the holder, and leaves nothing', async () => {
    const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
    const theirs = await other.acquire(path, { label: 'somebody' })
    const error: unknown = await holdfast.acquire(path, { timeout: 30 }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(LockTimeoutError)
    expect(error).toMatchObject({ holder: { pid: other.pid, label: 'somebody' }, position: 1 })
    await expect(holdfast.acquire(path, { timeout: 0 })).rejects.toThrow(LockTimeoutError)
    await other.release(theirs)
    await until('the orphan has let go', async () => (await other.tryAcquire(path)) !== null)
  })

  test('an abort rejects at once with its reason', async () => {
    const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
    await other.acquire(path)
    const controller = new AbortController()
    const waiting = holdfast.acquire(path, { signal: controller.signal })
    await mustStayBlocked(waiting)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })

  test('several files are taken together', async () => {
    const [holdfast, folder] = [on(NFS), scratch()]
    const paths = ['c', 'a', 'b'].map((name) => join(folder, name))
    const set = await holdfast.acquireAll(paths)
    expect(set.holds).toHaveLength(3)
    for (const path of paths) expect(holdfast.inspect(path).state).toBe('held')
    set.release()
    for (const path of paths) expect(holdfast.inspect(path).state).toBe('free')
  })

  test('inspect tells what it can, without making a lock file', async () => {
    const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
    expect(holdfast.inspect(path)).toEqual({ state: 'free', record: null, holders: [] })
    await other.acquire(path)
    expect(holdfast.inspect(path)).toMatchObject({ state: 'held', record: { pid: other.pid } })
    await other.kill()
    expect(holdfast.inspect(path).state).toBe('abandoned')
  })

  test('a lock file whose folder is missing is refused with the reason', async () => {
    const holdfast = on(NFS)
    const path = join(scratch(), 'missing', 'file')
    const refusal = expect.objectContaining({
      code: 'ERR_LOCK_SYSTEM',
      cause: expect.objectContaining({ code: 'ENOENT' }) as unknown,
    }) as unknown
    await expect(holdfast.acquire(path)).rejects.toEqual(refusal)
    expect(() => holdfast.tryAcquire(path)).toThrow(LockError)
    await expect(holdfast.acquireAll([path])).rejects.toEqual(refusal)
  })

  // A system that refuses to delete open files refuses this.
  test.skipIf(missing(posix))(
    'a lock file that was replaced ends the hold when asked, and is not handed over',
    async () => {
      const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
      const hold = await holdfast.acquire(path)
      const waiting = holdfast.acquire(path)
      await mustStayBlocked(waiting)
      rmSync(`${path}.hold`)
      await other.acquire(path)
      expect(() => hold.assertHeld()).toThrow(expect.objectContaining({ reason: 'replaced' }))
      await mustStayBlocked(waiting)
      await other.kill()
      expect((await waiting).held).toBe(true)
    },
  )

  test.skipIf(missing(posix))('a lock file that is no regular file is refused', async () => {
    const [holdfast, path] = [on(NFS), target()]
    mkdirSync(`${path}.hold`)
    await expect(holdfast.acquire(path)).rejects.toThrow('is a directory')
    const other = target()
    symlinkSync('elsewhere', `${other}.hold`)
    await expect(holdfast.acquire(other)).rejects.toThrow('symbolic link')
  })

  test.skipIf(missing(posix))("the lock file has its target's mode, and a linked target is one lock", async () => {
    const [holdfast, path] = [on(NFS), target()]
    writeFileSync(path, 'data', { mode: 0o640 })
    const link = `${path}-link`
    symlinkSync(path, link)
    const hold = await holdfast.acquire(link)
    expect(hold.path).toBe(path)
    expect(statSync(`${path}.hold`).mode & 0o777).toBe(0o640)
    expect(holdfast.tryAcquire(path)).toBeNull()
  })

  test.skipIf(missing(posix))('a chain of links is one lock, whatever way a request comes to it', async () => {
    const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
    const [first, second] = [`${path}-1`, `${path}-2`]
    symlinkSync(second, first)
    symlinkSync(path, second)
    const theirs = await other.acquire(path)
    expect(holdfast.tryAcquire(first)).toBeNull()
    const waiting = [first, second, path].map((name) =>
      holdfast.withLock(name, undefined, async (hold) => {
        expect(hold.path).toBe(path)
        expect(await other.tryAcquire(path)).toBeNull()
      }),
    )
    await mustStayBlocked(Promise.race(waiting))
    await expect(holdfast.acquire(first, { timeout: 50 })).rejects.toThrow(LockTimeoutError)
    await other.release(theirs)
    await Promise.all(waiting)
  })

  test.skipIf(missing(posix))('a target that becomes a link is looked at anew by each request', async () => {
    const [holdfast, path] = [on(NFS), target()]
    const hold = await holdfast.acquire(path)
    symlinkSync(`${path}-new`, path)
    const next = await holdfast.acquire(path)
    expect(next.path).toBe(`${path}-new`)
    expect(holdfast.tryAcquire(path)).toBeNull()
    hold.release()
    expect(holdfast.tryAcquire(path)).toBeNull()
  })

  test.skipIf(missing(posix))('links that go in a circle are refused', async () => {
    const [holdfast, path] = [on(NFS), target()]
    symlinkSync(path, `${path}-1`)
    symlinkSync(`${path}-1`, path)
    await expect(holdfast.acquire(path)).rejects.toMatchObject({ cause: { code: 'ELOOP' } })
  })

  test('a path that goes up is the file that it leads to, and must not end so', async () => {
    const [holdfast, path] = [on(NFS), target()]
    mkdirSync(`${path}-folder`)
    const roundabout = `${path}-folder/../${basename(path)}`
    const hold = await holdfast.acquire(roundabout)
    expect(holdfast.tryAcquire(path)).toBeNull()
    hold.release()
    await expect(holdfast.acquire(`${path}-folder/..`)).rejects.toThrow('a path that does not end in ".."')
  })

  test.skipIf(missing(posix))('two names of one lock file are one queue', async () => {
    const [holdfast, path, other] = [on(NFS), target(), await Agent.start()]
    const theirs = await other.acquire(path)
    const alias = `${path}-alias`
    linkSync(`${path}.hold`, `${alias}.hold`)
    const order: string[] = []
    const first = holdfast.withLock(path, undefined, () => void order.push('first'))
    await mustStayBlocked(first)
    const second = holdfast.withLock(alias, undefined, () => void order.push('second'))
    await mustStayBlocked(second)
    await expect(holdfast.acquire(alias, { timeout: 50 })).rejects.toMatchObject({ position: 3 })
    await other.release(theirs)
    await Promise.all([first, second])
    expect(order).toEqual(['first', 'second'])
    const hold = await holdfast.acquire(path)
    expect(holdfast.tryAcquire(alias)).toBeNull()
    hold.release()
    holdfast.tryAcquire(alias)?.release()
  })

  test.skipIf(missing(kernelTables))('nothing is left behind: no thread, no descriptor', async () => {
    const [holdfast, folder] = [on(NFS), scratch()]
    const round = async (): Promise<void> => {
      const paths = Array.from({ length: 20 }, (_, index) => join(folder, `file-${index}`))
      const holds = await Promise.all(paths.map((path) => holdfast.acquire(path)))
      const waits = paths.map((path) => holdfast.acquire(path, { timeout: 1 }).catch(() => null))
      await Promise.all(waits)
      for (const hold of holds) hold.release()
    }
    await round()
    const before = await baseline(process.pid)
    for (let i = 0; i < 5; i++) await round()
    await until('threads and descriptors are as before', async () => {
      const now = await baseline(process.pid)
      return now.threads <= before.threads && now.descriptors <= before.descriptors
    })
  })
})

describe('a wait of which the kernel has an orphan', () => {
  test('adopts it, by its path', async () => {
    const [ours, theirs] = [new NativeKernel(), new NativeKernel()]
    const path = target()
    const file = { target: path, lockfile: `${path}.hold`, filesystem: DISTANT, ...SURE }
    const holding = theirs.request(file, 'exclusive', 'try')
    const wait = ours.request(file, 'exclusive', 'wait')
    if (!('lease' in holding) || !('lease' in wait)) throw new Error('no leases')
    ours.drop(wait.lease)
    expect(ours.request(file, 'exclusive', 'wait')).toEqual(wait)
    const settled: Lease[] = []
    ours.onSettled = (lease) => settled.push(lease)
    theirs.release(holding.lease, null, 0)
    await until('it is granted', () => settled.length > 0)
    expect(ours.claim(wait.lease, file.lockfile)).toEqual({ kind: 'granted', lease: wait.lease })
    ours.release(wait.lease, null, 0)
  })

  test.skipIf(missing(posix))('asks again when the other lease on its file was dropped meanwhile', async () => {
    const [ours, theirs] = [new NativeKernel(), new NativeKernel()]
    const path = target()
    const file = { target: path, lockfile: `${path}.hold`, filesystem: DISTANT, ...SURE }
    const holding = theirs.request(file, 'exclusive', 'try')
    const wait = ours.request(file, 'exclusive', 'wait')
    if (!('lease' in holding) || !('lease' in wait)) throw new Error('no leases')
    linkSync(file.lockfile, `${path}-alias.hold`)
    const alias = { ...file, lockfile: `${path}-alias.hold` }
    const settled: Lease[] = []
    ours.onSettled = (lease) => settled.push(lease)
    await until('the wait is in the kernel', () => waitersOf(file.lockfile).length === 1)
    const second = ours.request(alias, 'exclusive', 'wait')
    if (!('lease' in second)) throw new Error('no lease')
    await until('it has settled', () => settled.length > 0)
    ours.drop(wait.lease)
    expect(ours.claim(second.lease, alias.lockfile)).toEqual({ kind: 'replaced' })
    theirs.release(holding.lease, null, 0)
  })

  test.skipIf(missing(posix))('is told when the file is that of another lease', async () => {
    const [ours, theirs] = [new NativeKernel(), new NativeKernel()]
    const path = target()
    const file = { target: path, lockfile: `${path}.hold`, filesystem: DISTANT, ...SURE }
    const holding = ours.request(file, 'exclusive', 'try')
    if (!('lease' in holding)) throw new Error('no lease')
    linkSync(file.lockfile, `${path}-alias.hold`)
    const alias = { ...file, lockfile: `${path}-alias.hold` }
    const settled: Lease[] = []
    ours.onSettled = (lease) => settled.push(lease)
    const wait = ours.request(alias, 'exclusive', 'try-then-wait')
    if (!('lease' in wait)) throw new Error('no lease')
    await until('it has settled', () => settled.length > 0)
    const expected: ClaimAnswer = { kind: 'known', lease: holding.lease }
    expect(ours.claim(wait.lease, alias.lockfile)).toEqual(expected)
    expect(theirs.request(alias, 'exclusive', 'try').kind).toBe('busy')
    ours.release(holding.lease, null, 0)
  })
})

/** What the library says of filesystems meanwhile. */
function listen(): FallbackEvent[] {
  const events: FallbackEvent[] = []
  const listener = (event: unknown): void => void events.push(event as FallbackEvent)
  subscribe('holdfast:fallback', listener)
  onTestFinished(() => void unsubscribe('holdfast:fallback', listener))
  return events
}

describe('what is told of a filesystem', () => {
  test('is one event for each mount, with its kind, type, mount and source', async () => {
    const events = listen()
    const [holdfast, folder] = [on(NFS), scratch()]
    for (const name of ['a', 'b', 'a']) await holdfast.withLock(join(folder, name), undefined, () => {})
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({
      kind: 'filesystem',
      lockfile: join(folder, 'a.hold'),
      filesystem: { kind: 'network', type: 'nfs4', mount: '/', source: 'nas:/home' },
    })
    expect(events[0]?.reason).toContain('nas:/home at /')
  })

  test('is nothing on a local one', async () => {
    const events = listen()
    const holdfast = on({ point: '/', type: 'ext4', source: '/dev/sda', options: [] })
    await holdfast.withLock(target(), undefined, () => {})
    expect(events).toEqual([])
  })

  test('is a refusal where locks are known not to exclude, before anything is made there', async () => {
    const [holdfast, folder] = [on({ ...NFS, type: 'nfs', options: ['nolock'] }), scratch()]
    const path = join(folder, 'file')
    const refusal = expect.objectContaining({ code: 'ERR_LOCK_UNSUPPORTED', path }) as unknown
    await expect(holdfast.acquire(path)).rejects.toEqual(refusal)
    await expect(holdfast.acquireAll([path])).rejects.toThrow('mounted with nolock')
    expect(() => holdfast.tryAcquire(path)).toThrow('mounted with nolock')
    expect(() => holdfast.inspect(path)).toThrow('mounted with nolock')
    expect(() => statSync(`${path}.hold`)).toThrow('ENOENT')
  })

  test('is a refusal of an unsure one with `filesystem: strict`', async () => {
    const [holdfast, path] = [on({ ...NFS, type: 'fuse.sshfs' }), target()]
    listen()
    await expect(holdfast.acquire(path, { filesystem: 'strict' })).rejects.toMatchObject({
      code: 'ERR_LOCK_UNSUPPORTED',
    })
    expect(() => holdfast.tryAcquire(path, { filesystem: 'strict' })).toThrow(LockError)
    await holdfast.withLock(path, { filesystem: 'any' }, () => {})
    await on(NFS).withLock(path, { filesystem: 'strict' }, () => {})
  })

  test('the options are checked', async () => {
    const holdfast = on(NFS)
    const wrong = holdfast.acquire(target(), { filesystem: 'lax' as 'any' })
    await expect(wrong).rejects.toThrow(`options.filesystem must be 'any' or 'strict'; received "lax"`)
  })
})

const OTHER = '/dev/shm'

const secondVolume: Capability = {
  name: `a volume of its own at ${OTHER}`,
  there: statSync(OTHER, { throwIfNoEntry: false })?.dev !== statSync(tmpdir()).dev,
}

describe.skipIf(missing(posix, secondVolume))('a mount that changes after its folder was looked at', () => {
  test('is noticed by its volume: the new one is looked at before anything is locked on it', async () => {
    let mount: Mount = { point: '/', type: 'ext4', source: '/dev/sda', options: [] }
    const kernel = new NativeKernel(() => only(mount))
    const holdfast = new Holdfast(() => kernel, systemClock)
    // The folder is moved to another volume behind the same name, as a mount over it would.
    const folder = scratch()
    const [name, elsewhere] = [join(folder, 'name'), scratch(OTHER)]
    mkdirSync(name)
    await holdfast.withLock(join(name, 'file'), undefined, () => {})
    renameSync(name, `${name}-before`)
    symlinkSync(elsewhere, name)
    mount = { ...NFS, type: 'nfs', options: ['nolock'] }
    await expect(holdfast.acquire(join(name, 'file'))).rejects.toThrow('mounted with nolock')
  })
})
