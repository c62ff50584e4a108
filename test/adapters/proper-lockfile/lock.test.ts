// Locking by the names of proper-lockfile: who excludes whom, by which names of a file, and what is thrown.
import fs, { existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import lockfile, { lock, lockSync, unlock } from '../../../src/adapters/proper-lockfile.js'
import { acquire, inspect, isLockError, tryAcquire } from '../../../src/index.js'
import { Agent } from '../../helpers/agent.js'
import { scratch } from '../../helpers/scratch.js'
import { errorOf, noFile, someFile } from './files.js'

interface Way {
  readonly name: string
  readonly take: (...args: Parameters<typeof lock>) => Promise<() => unknown>
}

/** Both ways to lock. What the synchronous one throws is a rejection here. */
const WAYS: readonly Way[] = [
  { name: 'lock()', take: lock },
  { name: 'lockSync()', take: (...args) => Promise.resolve().then(() => lockSync(...args)) },
]

describe.for(WAYS)('$name', ({ take }) => {
  test('refuses what this process holds, in the words of the original', async () => {
    const file = someFile()
    const release = await take(file)
    const error = await errorOf(() => take(file))
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ code: 'ELOCKED', message: 'Lock file is already being held', file })
    await release()
    await (
      await take(file)
    )()
  })

  test('refuses what another process holds', async () => {
    const file = someFile()
    const agent = await Agent.start()
    const hold = await agent.acquire(file)
    expect(await errorOf(() => take(file))).toMatchObject({ code: 'ELOCKED' })
    await agent.release(hold)
    await (
      await take(file)
    )()
  })

  test('keeps others out, in other processes too, until it is released', async () => {
    const file = someFile()
    const agent = await Agent.start()
    const release = await take(file)
    expect(tryAcquire(file)).toBeNull()
    expect(await agent.tryAcquire(file)).toBeNull()
    await release()
    expect(await agent.tryAcquire(file)).not.toBeNull()
  })

  test('cannot be released twice', async () => {
    const release = await take(someFile())
    await release()
    expect(await errorOf(release)).toMatchObject({ code: 'ERELEASED', message: 'Lock is already released' })
  })

  test('gives a release that frees its own lock only, never a later one', async () => {
    const file = someFile()
    const first = await take(file)
    await unlock(file)
    await take(file)
    expect(await errorOf(first)).toMatchObject({ code: 'ERELEASED' })
    expect(await errorOf(() => take(file))).toMatchObject({ code: 'ELOCKED' })
  })

  test('needs the file to exist', async () => {
    const file = noFile()
    expect(await errorOf(() => take(file))).toMatchObject({ code: 'ENOENT', syscall: 'lstat', path: file })
    expect(readdirSync(dirname(file))).toEqual([])
  })

  test('follows links as Node does where the system cannot', async () => {
    const file = someFile()
    const failing = vi.spyOn(fs.realpath, 'native').mockImplementation(((
      _: string,
      callback: (error: Error) => void,
    ) => {
      callback(new Error('a disk that it does not know'))
    }) as typeof fs.realpath.native)
    const failingSync = vi.spyOn(fs.realpathSync, 'native').mockImplementation(() => {
      throw new Error('a disk that it does not know')
    })
    onTestFinished(() => void vi.restoreAllMocks())
    await take(file)
    expect(failing.mock.calls.length + failingSync.mock.calls.length).toBe(1)
    expect(tryAcquire(file)).toBeNull()
  })

  test('with realpath: false needs no file, and makes none', async () => {
    const file = noFile()
    await take(file, { realpath: false })
    expect(readdirSync(dirname(file))).toEqual(['file.hold'])
  })

  test('knows a file by all its names', async () => {
    const folder = scratch()
    const file = someFile(folder)
    symlinkSync('file', join(folder, 'link'))
    symlinkSync(folder, join(folder, 'loop'))
    await take(join(folder, 'loop', 'link'))
    for (const name of [file, join(folder, 'link'), relative(process.cwd(), file)]) {
      expect(await errorOf(() => take(name))).toMatchObject({ code: 'ELOCKED', file })
    }
    expect(readdirSync(folder)).toEqual(['file', 'file.hold', 'link', 'loop'])
  })

  test('with realpath: false takes a link for a file of its own', async () => {
    const folder = scratch()
    const file = someFile(folder)
    const link = noFile(folder, 'link')
    symlinkSync('file', link)
    await take(file, { realpath: false })
    await take(link, { realpath: false })
    expect(readdirSync(folder)).toEqual(['file', 'file.hold', 'link', 'link.hold'])
  })

  test('takes a realpath that is undefined for false, as the original does', async () => {
    await take(noFile(), { realpath: undefined })
  })

  test('locks an exact file with lockfilePath', async () => {
    const folder = scratch()
    const file = noFile(folder, '')
    const exact = join(folder, 'dir.lock')
    await take(folder, { lockfilePath: exact })
    expect(readdirSync(folder)).toEqual(['dir.lock'])
    expect(tryAcquire('another', { lockfile: exact })).toBeNull()
    expect(await errorOf(() => take(folder, { lockfilePath: exact }))).toMatchObject({ code: 'ELOCKED' })
    await unlock(file)
  })

  test('takes two lock files of one file for two locks', async () => {
    const folder = scratch()
    const file = someFile(folder)
    await take(file)
    await take(file, { lockfilePath: join(folder, 'second') })
    expect(readdirSync(folder)).toEqual(['file', 'file.hold', 'second'])
  })

  test('takes one lock file of two files for one lock', async () => {
    const folder = scratch()
    const lockfilePath = join(folder, 'both')
    await take(someFile(folder, 'a'), { lockfilePath })
    expect(await errorOf(() => take(someFile(folder, 'b'), { lockfilePath }))).toMatchObject({ code: 'ELOCKED' })
  })

  test('leaves the lock file where it is: lying there it means nothing', async () => {
    const file = someFile()
    await (
      await take(file)
    )()
    expect(existsSync(`${file}.hold`)).toBe(true)
    await (
      await take(file)
    )()
  })

  test('locks a folder, beside it', async () => {
    const folder = scratch()
    mkdirSync(join(folder, 'sub'))
    const release = await take(join(folder, 'sub'))
    expect(readdirSync(folder)).toEqual(['sub', 'sub.hold'])
    await release()
  })

  test('throws what the system says, as the system says it', async () => {
    const file = join(scratch(), 'missing', 'file')
    const error = await errorOf(() => take(file, { realpath: false }))
    expect(error).toMatchObject({ code: 'ENOENT', syscall: 'open', path: `${file}.hold` })
    expect(isLockError(error)).toBe(false)
  })

  test('refuses a folder that the original has made for its lock, though it be old', async () => {
    const file = someFile()
    mkdirSync(`${file}.lock`)
    expect(await errorOf(() => take(file, { lockfilePath: `${file}.lock` }))).toMatchObject({ code: 'EISDIR' })
  })

  test('ignores options that it does not know, and does not need any', async () => {
    const options = { stale: 5, update: 7, unknown: true, retries: undefined, fs: undefined, onCompromised: undefined }
    await (
      await take(someFile(), options)
    )()
    await (
      await take(someFile(), undefined)
    )()
  })

  test('takes a stale and an update that are no numbers for the least', async () => {
    const options = { stale: false, update: false } as unknown as Parameters<typeof lock>[1]
    await (
      await take(someFile(), options)
    )()
  })
})

describe('lock()', () => {
  test('is the default export, with the other functions as properties', async () => {
    const file = someFile()
    expect(lockfile).toBe(lockfile.lock)
    await lockfile(file)
    expect(await lockfile.check(file)).toBe(true)
    await lockfile.unlock(file)
    expect(lockfile.checkSync(file)).toBe(false)
    lockfile.lockSync(file)
    lockfile.unlockSync(file)
    expect(await lockfile.check(file)).toBe(false)
  })

  test('tells as the cause of ELOCKED who holds it', async () => {
    const file = someFile()
    const agent = await Agent.start()
    await agent.acquire(file, { label: 'import' })
    const error = await errorOf(() => lock(file))
    expect(error).toMatchObject({ cause: { code: 'ERR_LOCK_TIMEOUT', holder: { pid: agent.pid, label: 'import' } } })
  })

  test('says in the record what it is', async () => {
    const file = someFile()
    await lock(file)
    expect(inspect(file).record).toMatchObject({ label: 'proper-lockfile', pid: process.pid, state: 'held' })
  })

  test('follows links by the realpath() of a custom fs, and uses nothing else of it', async () => {
    const file = someFile()
    const seen: string[] = []
    const fs = {
      realpath(path: string, callback: (error: Error | null, path?: string) => void) {
        seen.push(path)
        callback(null, file)
      },
    }
    const release = await lock('anything', { fs })
    expect(seen).toEqual(['anything'])
    expect(tryAcquire(file)).toBeNull()
    await release()
    const broken = { realpath: (_: string, callback: (error: Error) => void) => callback(new Error('broken')) }
    expect(await errorOf(() => lock(file, { fs: broken }))).toMatchObject({ message: 'broken' })
    expect(await errorOf(() => lock(file, { fs: {} }))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
    await (
      await lock(file, { fs: {}, realpath: false })
    )()
  })

  test('takes what its realpath() takes for a file, a URL too', async () => {
    const file = someFile()
    const url = pathToFileURL(file) as unknown as string
    await lock(url)
    expect(tryAcquire(file)).toBeNull()
  })

  test('rejects, and never throws, where the file is no path', async () => {
    const none = undefined as unknown as string
    await expect(lock('\0')).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
    await expect(lock(none, { realpath: false })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  test('is the lock of the public API: neither goes round the other', async () => {
    const file = someFile()
    const hold = await acquire(file)
    onTestFinished(() => hold.release())
    expect(await errorOf(() => lock(file))).toMatchObject({ code: 'ELOCKED' })
  })

  test('locks what another name of the lock file locks', async () => {
    const folder = scratch()
    const file = someFile(folder)
    mkdirSync(join(folder, 'sub'))
    await lock(file)
    const lockfilePath = join(folder, 'sub', '..', `${basename(file)}.hold`)
    expect(await errorOf(() => lock(file, { lockfilePath }))).toMatchObject({ code: 'ELOCKED' })
  })
})

describe('lockSync()', () => {
  test.for([{ retries: 1 }, { retries: { retries: 1 } }])('cannot wait: %o is ESYNC', ({ retries }) => {
    const file = someFile()
    expect(() => lockSync(file, { retries })).toThrow('Cannot use retries with the sync api')
    expect(() => lockSync(noFile(), { retries })).toThrow(expect.objectContaining({ code: 'ESYNC' }))
  })

  test.for([{ retries: 0 }, { retries: { retries: 0 } }, { retries: { forever: true } }, { retries: [5] }])(
    'makes one try with %o, as the original does',
    async ({ retries }) => {
      const file = someFile()
      const release = lockSync(file, { retries })
      expect(await errorOf(() => lockSync(file, { retries }))).toMatchObject({ code: 'ELOCKED' })
      release()
    },
  )

  test('follows links by the realpathSync() of a custom fs', () => {
    const file = someFile()
    const release = lockSync('anything', { fs: { realpathSync: () => file } })
    expect(tryAcquire(file)).toBeNull()
    release()
    expect(() => lockSync(file, { fs: { realpath: realpathSync } })).toThrow('realpathSync')
  })

  test('and lock() exclude each other, and unlock() frees either', async () => {
    const file = someFile()
    lockSync(file)
    expect(await errorOf(() => lock(file))).toMatchObject({ code: 'ELOCKED' })
    await unlock(file)
    await lock(file)
    expect(() => lockSync(file)).toThrow('already being held')
    lockfile.unlockSync(file)
    lockSync(file)()
  })
})

test('the file itself is never written, moved or read for the lock', async () => {
  const file = someFile()
  writeFileSync(file, 'somebody’s data', { mode: 0o400 })
  const release = await lock(file)
  unlinkSync(file)
  await release()
  expect(existsSync(file)).toBe(false)
})
