// One update of a file that is not kept open.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { acquire, inspect, Owner } from '../../src/index.js'
import { updateJson } from '../../src/session/store.js'
import { scratch } from '../helpers/scratch.js'

interface Count {
  n: number
}

function newFile(content?: string): string {
  const file = join(scratch(), 'settings.json')
  if (content !== undefined) writeFileSync(file, content)
  return file
}

const increment = ({ n }: Count): Count => ({ n: n + 1 })

test('updateJson() reads, changes and replaces the file under its lock, and resolves to the new value', async () => {
  const file = newFile('{"n":1}')
  const updated = updateJson<Count>(file, (value) => {
    expect(inspect(file).state).toBe('held')
    return increment(value)
  })
  expect(await updated).toEqual({ n: 2 })
  expect(readFileSync(file, 'utf8')).toBe('{"n":2}\n')
  expect(inspect(file).state).toBe('free')
})

test('many at once lose nothing', async () => {
  const file = newFile()
  await Promise.all(Array.from({ length: 20 }, () => updateJson(file, increment, { initial: { n: 0 } })))
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ n: 20 })
})

test('it takes the options of a store and those of an update', async () => {
  const file = newFile('{"n":1}')
  const owner = new Owner('script')
  const hold = await acquire(file, { owner })
  await updateJson<Count>(file, increment, { owner, indent: 1, durability: 'none', label: 'mine' })
  expect(readFileSync(file, 'utf8')).toBe('{\n "n": 2\n}\n')
  await expect(updateJson<Count>(file, increment, { timeout: 0 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  const signal = AbortSignal.abort('no')
  await expect(updateJson<Count>(file, increment, { signal })).rejects.toBe('no')
  hold.release()
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ n: 2 })
})

test('it rejects with what the function throws, and writes nothing', async () => {
  const file = newFile('{"n":1}')
  const thrown = new Error('no')
  const updated = updateJson<Count>(file, () => {
    throw thrown
  })
  await expect(updated).rejects.toBe(thrown)
  expect(readFileSync(file, 'utf8')).toBe('{"n":1}')
})

test('it refuses what is no function, and an option that it does not know', async () => {
  const file = newFile('{}')
  await expect(updateJson(file, {} as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  await expect(updateJson(file, () => 1, { retries: 3 } as never)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARG_VALUE',
  })
  await expect(updateJson('', () => 1)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
})
