// The adapter where the system refuses: a lock file of an old gateway that cannot be read, written or removed, and folders
// that cannot be listed.
import fs, { existsSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import { __testing, acquireSessionWriteLock, cleanStaleLockFiles } from '../../src/adapters/session-write-lock.js'
import { tryAcquire } from '../../src/index.js'
import { missing, posix } from '../helpers/capabilities.js'
import { sessionFile } from './gateway.js'

const legacyPeer = true

/** What the system does instead of `name`, for those too who imported it by its name; answers how it is put back. */
function instead<Name extends 'openSync' | 'rmSync' | 'writeFileSync'>(
  name: Name,
  does: (real: (typeof fs)[Name], ...args: unknown[]) => unknown,
): () => void {
  const real = fs[name]
  fs[name] = ((...args: unknown[]) => does(real, ...args)) as never
  syncBuiltinESMExports()
  const putBack = (): void => {
    fs[name] = real
    syncBuiltinESMExports()
  }
  onTestFinished(putBack)
  return putBack
}

function refuse(code: string): never {
  throw Object.assign(new Error(`${code}: refused`), { code })
}

/** Of an old gateway whose process is gone. */
function leaveStale(file: string): void {
  writeFileSync(`${file}.lock`, JSON.stringify({ pid: 2 ** 22 + 1, createdAt: new Date().toISOString() }))
}

test('a lock file of an old gateway that cannot be read is taken for that of one that lives', async () => {
  const file = sessionFile()
  leaveStale(file)
  const putBack = instead('openSync', (real, ...args) =>
    args[0] === `${file}.lock` && args[1] !== 'wx' ? refuse('EIO') : Reflect.apply(real, fs, args),
  )
  await expect(acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 60 })).rejects.toThrow(
    'session file locked',
  )
  putBack()
  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  await lock.release()
})

test('a lock file for old gateways that cannot be written is taken away, and nothing is held', async () => {
  const file = sessionFile()
  instead('writeFileSync', (real, ...args) =>
    typeof args[0] === 'number' ? refuse('ENOSPC') : Reflect.apply(real, fs, args),
  )
  await expect(acquireSessionWriteLock({ sessionFile: file, legacyPeer })).rejects.toMatchObject({ code: 'ENOSPC' })
  expect(existsSync(`${file}.lock`)).toBe(false)
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})

test('a lock file that cannot be removed is waited for, and left by a release that succeeds', async () => {
  const file = sessionFile()
  leaveStale(file)
  const putBack = instead('rmSync', (real, ...args) =>
    args[0] === `${file}.lock` ? refuse('EBUSY') : Reflect.apply(real, fs, args),
  )
  await expect(acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 60 })).rejects.toThrow(
    'session file locked',
  )
  putBack()
  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  instead('rmSync', (real, ...args) => (args[0] === `${file}.lock` ? refuse('EBUSY') : Reflect.apply(real, fs, args)))
  await lock.release()
  expect(existsSync(`${file}.lock`)).toBe(true)
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})

test('a folder that cannot be listed is an error, and a missing one an empty list', async () => {
  const file = sessionFile()
  writeFileSync(file, '')
  await expect(cleanStaleLockFiles({ sessionsDir: file })).rejects.toMatchObject({ code: 'ENOTDIR' })
  expect(await cleanStaleLockFiles({ sessionsDir: `${file}-none` })).toEqual({ locks: [], cleaned: [] })
})

test.skipIf(missing(posix))('a session that is a link to nothing is looked at like any other', async () => {
  const file = sessionFile()
  symlinkSync(`${file}-none`, file)
  const warn = vi.fn()
  expect(await cleanStaleLockFiles({ sessionsDir: dirname(file), log: { warn } })).toEqual({ locks: [], cleaned: [] })
  expect(warn).not.toHaveBeenCalled()
})

test('what another process has cleaned between the look and the lock is not on the list', async () => {
  const file = sessionFile()
  leaveStale(file)
  let looks = 0
  instead('openSync', (real, ...args) => {
    if (args[0] === `${file}.lock` && ++looks === 2) unlinkSync(`${file}.lock`)
    return Reflect.apply(real, fs, args)
  })
  expect(await cleanStaleLockFiles({ sessionsDir: dirname(file) })).toEqual({ locks: [], cleaned: [] })
  expect(looks).toBe(2)
})

test('what is no path is refused whether or not this thread holds something', async () => {
  const wrong = { sessionFile: 'a\0b', allowReentrant: true }
  await expect(acquireSessionWriteLock(wrong)).rejects.toBeInstanceOf(TypeError)
  const lock = await acquireSessionWriteLock({ sessionFile: sessionFile() })
  await expect(acquireSessionWriteLock(wrong)).rejects.toBeInstanceOf(TypeError)
  await lock.release()
})

test('of many locks each is ended with the process, and those that ended before take no room', async () => {
  const locks = []
  for (let count = 0; count < 150; count++) {
    const lock = await acquireSessionWriteLock({ sessionFile: sessionFile() })
    if (count % 3 === 0) await lock.release()
    else locks.push(lock)
  }
  expect(locks.every(({ held }) => held)).toBe(true)
  __testing.releaseAllLocksSync()
  expect(locks.some(({ held }) => held)).toBe(false)
})
