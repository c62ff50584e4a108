// Processes that still use the original, beside those with the adapter: what docs/proper-lockfile.md says of them.
import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { describe, expect, test } from 'vitest'

import { check, lock } from '../../../src/adapters/proper-lockfile.js'
import { Agent } from '../../helpers/agent.js'
import { missing } from '../../helpers/capabilities.js'
import { scratch } from '../../helpers/scratch.js'
import { errorOf, ROOT, someFile } from './files.js'

const INSTALLED = join(ROOT, 'bench', 'node_modules', 'proper-lockfile', 'index.js')
const original = {
  name: 'proper-lockfile in bench/node_modules (node bench/install.mjs)',
  there: existsSync(INSTALLED),
}

/** What a caller of either needs to know of it here. */
interface Locks {
  lock(file: string, options?: { lockfilePath?: string; retries?: number }): Promise<() => Promise<void>>
  check(file: string): Promise<boolean>
}

function old(): Locks {
  return createRequire(import.meta.url)(INSTALLED) as Locks
}

/** The program of the page, which takes both locks. */
async function both(): Promise<Pick<Locks, 'lock'>> {
  const page = readFileSync(join(ROOT, 'docs', 'proper-lockfile.md'), 'utf8')
  const [, text = ''] = /```js\n(import \* as kernel[^]*?)```/.exec(page) ?? []
  const program = join(scratch(), 'both.mjs')
  const adapter = join(ROOT, 'dist', 'adapters', 'proper-lockfile.js')
  const located = text
    .replace(`'holdfast/adapters/proper-lockfile'`, JSON.stringify(pathToFileURL(adapter).href))
    .replace(`'proper-lockfile'`, JSON.stringify(pathToFileURL(INSTALLED).href))
  writeFileSync(program, located)
  return (await import(/* @vite-ignore */ pathToFileURL(program).href)) as Pick<Locks, 'lock'>
}

describe.skipIf(missing(original))('beside the original', () => {
  test('neither keeps the other out', async () => {
    const file = someFile()
    await lock(file)
    const release = await old().lock(file)
    expect([await check(file), await old().check(file)]).toEqual([true, true])
    await release()
  })

  test('a program that takes both locks keeps out both kinds, and leaves nothing held', async () => {
    const file = someFile()
    const agent = await Agent.start()
    const release = await (await both()).lock(file)
    expect(await errorOf(() => old().lock(file))).toMatchObject({ code: 'ELOCKED' })
    expect(await errorOf(() => lock(file))).toMatchObject({ code: 'ELOCKED' })
    expect(await agent.tryAcquire(file)).toBeNull()
    await release()
    expect([await check(file), await old().check(file)]).toEqual([false, false])
  })

  test('a program that takes both locks is kept out by either kind, and has neither lock then', async () => {
    const file = someFile()
    const { lock: lockBoth } = await both()
    const releaseOld = await old().lock(file)
    expect(await errorOf(() => lockBoth(file))).toMatchObject({ code: 'ELOCKED' })
    expect(await check(file)).toBe(false)
    await releaseOld()
    const release = await lock(file)
    expect(await errorOf(() => lockBoth(file))).toMatchObject({ code: 'ELOCKED' })
    expect(await old().check(file)).toBe(false)
    await release()
  })

  test('a lock file by the name of its folder keeps both apart, and the old ones out for good', async () => {
    const file = someFile()
    const lockfilePath = `${file}.lock`
    const releaseOld = await old().lock(file)
    expect(await errorOf(() => lock(file, { lockfilePath }))).toMatchObject({ code: 'EISDIR' })
    await releaseOld()
    const release = await lock(file, { lockfilePath })
    expect(await errorOf(() => old().lock(file))).toMatchObject({ code: 'ELOCKED' })
    await release()
    utimesSync(lockfilePath, 0, 0)
    expect(await errorOf(() => old().lock(file))).toMatchObject({ code: 'ENOTDIR' })
  })

  test('what it left behind means nothing to a lock, and is left where it is', async () => {
    const file = someFile()
    mkdirSync(`${file}.lock`)
    await (
      await lock(file)
    )()
    expect(statSync(`${file}.lock`).isDirectory()).toBe(true)
  })
})
