// Watching a store where the system does not watch the folder, or begins late.
import fs, { renameSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'

import { afterEach, expect, onTestFinished, test, vi } from 'vitest'

import { openStore } from '../../src/session/store.js'
import { scratch } from '../helpers/scratch.js'

const { watch } = fs
const watched = vi.spyOn(fs, 'watch')
syncBuiltinESMExports() // for those who imported the function by its name

afterEach(() => {
  watched.mockReset()
})

async function newWatch(): Promise<{ file: string; values: AsyncIterableIterator<{ n: number }> }> {
  const file = join(scratch(), 'sessions.json')
  writeFileSync(file, '{"n":0}')
  const store = await openStore<{ n: number }>(file)
  onTestFinished(() => store.close())
  return { file, values: store.watch() }
}

test('a change between the first look and the beginning of watching is seen', async () => {
  const { file, values } = await newWatch()
  watched.mockImplementationOnce((...call: unknown[]) => {
    writeFileSync(file, '{"n":5}') // in place and of the same size: a look at the state alone sees no difference
    return (watch as (...call: unknown[]) => ReturnType<typeof watch>)(...call)
  })
  expect((await values.next()).value).toEqual({ n: 0 })
  expect((await values.next()).value).toEqual({ n: 5 })
})

test('where the system watches nothing, the file is looked at now and then', async () => {
  const { file, values } = await newWatch()
  watched.mockImplementation(() => {
    throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), { code: 'ENOSPC' })
  })
  expect((await values.next()).value).toEqual({ n: 0 })
  writeFileSync(`${file}.new`, '{"n":1}')
  renameSync(`${file}.new`, file)
  expect((await values.next()).value).toEqual({ n: 1 })
  rmSync(file)
  writeFileSync(file, '{"n":20}')
  expect((await values.next()).value).toEqual({ n: 20 })
  expect(watched.mock.calls.length).toBeGreaterThan(1) // for it may be able to some time
})

test('where watching breaks off, the file is watched again', async () => {
  const { file, values } = await newWatch()
  watched.mockImplementation(watch)
  expect((await values.next()).value).toEqual({ n: 0 })
  const next = values.next()
  const [first] = watched.mock.results
  if (first?.type !== 'return') throw new Error('it is watched')
  first.value.emit('error', new Error('the folder is gone'))
  writeFileSync(file, '{"n":7}')
  expect((await next).value).toEqual({ n: 7 })
  expect(watched).toHaveBeenCalledTimes(2)
})
