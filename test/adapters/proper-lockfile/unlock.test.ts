// Unlocking by the name of a file: only what this process holds of it.
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { check, lock, lockSync, unlock, unlockSync } from '../../../src/adapters/proper-lockfile.js'
import { acquire } from '../../../src/index.js'
import { Agent } from '../../helpers/agent.js'
import { scratch } from '../../helpers/scratch.js'
import { errorOf, noFile, someFile } from './files.js'

const WAYS = [
  { name: 'unlock()', free: unlock },
  {
    name: 'unlockSync()',
    free: (...args: Parameters<typeof unlockSync>) => Promise.resolve().then(() => unlockSync(...args)),
  },
]

const NOT_OURS = { code: 'ENOTACQUIRED', message: 'Lock is not acquired/owned by you' }

describe.for(WAYS)('$name', ({ free }) => {
  test('frees what lock() and lockSync() took', async () => {
    const file = someFile()
    const agent = await Agent.start()
    await lock(file)
    await free(file)
    lockSync(file)
    await free(file)
    expect(await agent.tryAcquire(file)).not.toBeNull()
  })

  test('refuses what nobody holds, what was freed, and what somebody else holds', async () => {
    const file = someFile()
    expect(await errorOf(() => free(file))).toMatchObject(NOT_OURS)
    const release = await lock(file)
    await release()
    expect(await errorOf(() => free(file))).toMatchObject(NOT_OURS)
    const agent = await Agent.start()
    const hold = await agent.acquire(file)
    expect(await errorOf(() => free(file))).toMatchObject(NOT_OURS)
    expect(await agent.isHeld(hold)).toBe(true)
  })

  test('refuses what this process holds by other names than those of the adapter', async () => {
    const file = someFile()
    using hold = await acquire(file)
    expect(await errorOf(() => free(file))).toMatchObject(NOT_OURS)
    expect(hold.held).toBe(true)
  })

  test('makes the release that lock() gave one too many', async () => {
    const file = someFile()
    const release = await lock(file)
    await free(file)
    expect(await errorOf(release)).toMatchObject({ code: 'ERELEASED' })
  })

  test('knows a file by all its names, unless realpath is false', async () => {
    const folder = scratch()
    const file = someFile(folder)
    const link = noFile(folder, 'link')
    symlinkSync('file', link)
    await lock(file)
    expect(await errorOf(() => free(link, { realpath: false }))).toMatchObject(NOT_OURS)
    await free(link)
    expect(await check(file)).toBe(false)
  })

  test('needs the file to exist, unless realpath is false', async () => {
    const file = noFile()
    await lock(file, { realpath: false })
    expect(await errorOf(() => free(file))).toMatchObject({ code: 'ENOENT' })
    await free(file, { realpath: false })
    expect(await check(file, { realpath: false })).toBe(false)
  })

  test('frees the lock with the lock file that is named, and the last one where none is', async () => {
    const folder = scratch()
    const file = someFile(folder)
    const [first, second, other] = ['first', 'second', 'other'].map((name) => ({ lockfilePath: join(folder, name) }))
    await lock(file, first)
    await lock(file, second)
    await lock(file)
    expect(await errorOf(() => free(file, other))).toMatchObject(NOT_OURS)
    await free(file, first)
    expect([await check(file, first), await check(file, second), await check(file)]).toEqual([false, true, true])
    await free(file)
    expect([await check(file, second), await check(file)]).toEqual([true, false])
    await free(file)
    expect(await check(file, second)).toBe(false)
  })

  test('rejects where the links cannot be followed', async () => {
    const broken = {
      realpath: (_: string, callback: (error: Error) => void) => callback(new Error('broken')),
      realpathSync: () => {
        throw new Error('broken')
      },
    }
    expect(await errorOf(() => free(someFile(), { fs: broken }))).toMatchObject({ message: 'broken' })
  })
})
