// Paths that go up: the system goes up from where a folder really is, and so does the lock.
import { existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { acquire, inspect, releaseAll, tryAcquire } from '../../src/index.js'
import { missing, posix } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

test.skipIf(missing(posix))('one that ends in ".." is the folder above that where a link leads', () => {
  onTestFinished(() => void releaseAll())
  const folder = realpathSync(scratch())
  mkdirSync(join(folder, 'there', 'deep'), { recursive: true })
  symlinkSync(join(folder, 'there', 'deep'), join(folder, 'link'))
  for (const path of [`${folder}/link/..`, `${folder}/link/../`, `${folder}/link/../.`]) {
    using hold = tryAcquire(path)
    expect(hold?.path).toBe(join(folder, 'there'))
    expect(tryAcquire(join(folder, 'there'))).toBeNull()
  }
  expect(existsSync(join(folder, 'there.hold'))).toBe(true)
})

test('one that goes up from a folder that is missing keeps its meaning as a text', async () => {
  onTestFinished(() => void releaseAll())
  const folder = scratch()
  const path = join(folder, 'data')
  const hold = await acquire(`${folder}/missing/../${basename(path)}`)
  expect(hold.path).toBe(path)
  expect(inspect(path).state).toBe('held')
  expect(tryAcquire(path)).toBeNull()
})
