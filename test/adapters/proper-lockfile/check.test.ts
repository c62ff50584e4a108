// Whether a file is locked: by whomever, and by nothing that merely lies there.
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, onTestFinished, test } from 'vitest'

import { check, checkSync, lock, unlock } from '../../../src/adapters/proper-lockfile.js'
import { tryAcquire } from '../../../src/index.js'
import { Agent } from '../../helpers/agent.js'
import { scratch } from '../../helpers/scratch.js'
import { errorOf, noFile, someFile } from './files.js'

const WAYS = [
  { name: 'check()', look: check },
  {
    name: 'checkSync()',
    look: (...args: Parameters<typeof checkSync>) => Promise.resolve().then(() => checkSync(...args)),
  },
]

describe.for(WAYS)('$name', ({ look }) => {
  test('is true from the lock to its release', async () => {
    const file = someFile()
    expect(await look(file)).toBe(false)
    const release = await lock(file)
    expect(await look(file)).toBe(true)
    await release()
    expect(await look(file)).toBe(false)
  })

  test('is true while another process holds it, and false when that was killed', async () => {
    const file = someFile()
    const agent = await Agent.start()
    await agent.acquire(file)
    expect(await look(file)).toBe(true)
    await agent.kill()
    expect(await look(file)).toBe(false)
  })

  test('is true of a lock that nobody has touched for hours', async () => {
    const file = someFile()
    const hold = tryAcquire(file, { keep: true })
    onTestFinished(() => hold?.release())
    utimesSync(`${file}.hold`, 0, 0)
    expect(await look(file, { stale: 2000 })).toBe(true)
  })

  test('is false of a lock file that merely lies there', async () => {
    const file = someFile()
    writeFileSync(`${file}.hold`, '')
    expect(await look(file)).toBe(false)
  })

  test('neither makes a lock file nor needs one, or its folder', async () => {
    const folder = join(scratch(), 'missing')
    expect(await look(join(folder, 'file'), { realpath: false })).toBe(false)
    const file = noFile()
    expect(await look(file, { realpath: false })).toBe(false)
  })

  test('needs the file to exist, unless realpath is false', async () => {
    expect(await errorOf(() => look(noFile()))).toMatchObject({ code: 'ENOENT' })
  })

  test('knows a file by all its names, unless realpath is false', async () => {
    const folder = scratch()
    const file = someFile(folder)
    const link = join(folder, 'link')
    symlinkSync('file', link)
    await lock(file)
    expect(await look(link)).toBe(true)
    expect(await look(link, { realpath: false })).toBe(false)
    rmSync(link)
  })

  test('looks at the lock file that is named', async () => {
    const file = someFile()
    const lockfilePath = `${file}.exact`
    await lock(file, { lockfilePath })
    expect([await look(file), await look(file, { lockfilePath })]).toEqual([false, true])
    await unlock(file, { lockfilePath })
    expect(await look(file, { lockfilePath })).toBe(false)
  })

  test('says so where a folder of the original is in the place of the lock file', async () => {
    const file = someFile()
    mkdirSync(`${file}.lock`)
    expect(await errorOf(() => look(file, { lockfilePath: `${file}.lock` }))).toMatchObject({ code: 'EISDIR' })
  })
})
