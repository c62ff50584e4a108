// A lock whose lock file is deleted or replaced: the holder is told, within the time that the original would have taken.
import { renameSync, rmSync, writeFileSync } from 'node:fs'

import { expect, test, vi } from 'vitest'

import { check, lock, lockSync, unlock, type LockOptions } from '../../../src/adapters/proper-lockfile.js'
import { intervalOf } from '../../../src/adapters/proper-lockfile/options.js'
import { releaseAll } from '../../../src/index.js'
import { Agent } from '../../helpers/agent.js'
import { errorOf, someFile } from './files.js'

/** The shortest there is. */
const SOON: LockOptions = { update: 1000 }

function told(): { onCompromised: (error: Error) => void; error: Promise<Error> } {
  let onCompromised: (error: Error) => void = () => {}
  const error = new Promise<Error>((resolve) => (onCompromised = resolve))
  return { onCompromised, error }
}

test.for([
  ['lock()', lock],
  ['lockSync()', lockSync],
] as const)('%s tells when its lock file was deleted, and lets go', async ([, take]) => {
  const file = someFile()
  const { onCompromised, error } = told()
  const release = await take(file, { ...SOON, onCompromised })
  rmSync(`${file}.hold`)
  expect(await error).toMatchObject({
    code: 'ECOMPROMISED',
    message: expect.stringContaining('ENOENT') as string,
    file,
    cause: { code: 'ERR_LOCK_LOST', reason: 'replaced' },
  })
  expect(await errorOf(release)).toMatchObject({ code: 'ERELEASED' })
  expect(await errorOf(() => unlock(file))).toMatchObject({ code: 'ENOTACQUIRED' })
  await (
    await lock(file)
  )()
})

test('a lock tells when its lock file was replaced, though somebody else holds the new one', async () => {
  const file = someFile()
  const agent = await Agent.start()
  const { onCompromised, error } = told()
  await lock(file, { ...SOON, onCompromised })
  writeFileSync(`${file}.new`, '')
  renameSync(`${file}.new`, `${file}.hold`)
  expect(await agent.tryAcquire(file)).not.toBeNull()
  expect(await error).toMatchObject({ code: 'ECOMPROMISED', cause: { reason: 'replaced' } })
  expect(await check(file)).toBe(true)
})

test('a lock tells when releaseAll() ended it', async () => {
  const file = someFile()
  const { onCompromised, error } = told()
  await lock(file, { ...SOON, onCompromised })
  expect(releaseAll()).toBe(1)
  expect(await error).toMatchObject({ code: 'ECOMPROMISED', cause: { reason: 'released-all' } })
})

test('a lock can be taken again by who is told', async () => {
  const file = someFile()
  const again = await new Promise<() => Promise<void>>((resolve) => {
    const onCompromised = async (): Promise<void> => resolve(await lock(file))
    void lock(file, { ...SOON, onCompromised }).then(() => rmSync(`${file}.hold`))
  })
  await again()
})

test('a lock looks again and again, tells nothing while all is well, and nothing after its release', async () => {
  const file = someFile()
  const onCompromised = vi.fn()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const release = await lock(file, { ...SOON, onCompromised })
    for (let look = 0; look < 3; look++) {
      expect(vi.getTimerCount()).toBe(1)
      vi.advanceTimersByTime(1000)
      await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1))
    }
    await release()
    expect(vi.getTimerCount()).toBe(0)
    const other = await lock(file, { ...SOON, onCompromised })
    vi.advanceTimersByTime(1000) // the look has begun
    rmSync(`${file}.hold`)
    await other()
  } finally {
    vi.useRealTimers()
  }
  await check(file)
  expect(onCompromised).not.toHaveBeenCalled()
})

test('looks are half of `stale` apart, and not less than a second', () => {
  const given: [LockOptions | undefined, number][] = [
    [undefined, 5000],
    [{}, 5000],
    [{ stale: 20_000 }, 10_000],
    [{ stale: 20_000, update: 3000 }, 3000],
    [{ update: 60_000 }, 5000],
    [{ update: 1 }, 1000],
    [{ stale: 1 }, 1000],
    [{ stale: undefined }, 1000],
    [{ stale: 6000, update: undefined }, 3000],
  ]
  for (const [options, interval] of given) expect(intervalOf(options)).toBe(interval)
})
