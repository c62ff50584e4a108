// Who watches a store sees what it has, whoever has written it, and ends when it is told to.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { describe, expect, onTestFinished, test } from 'vitest'

import { openStore, type StoreOptions } from '../../src/session/store.js'
import { missing, posix } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { StoreProcess } from './store-process.js'

interface Count {
  n: number
}

async function watched(
  content: string | null = '{"n":0}',
  options?: StoreOptions<Count>,
): Promise<{
  file: string
  store: Awaited<ReturnType<typeof openStore<Count>>>
  values: AsyncIterableIterator<Count>
}> {
  const file = join(scratch(), 'sessions.json')
  if (content !== null) writeFileSync(file, content)
  const store = await openStore<Count>(file, options)
  onTestFinished(() => store.close())
  return { file, store, values: store.watch() }
}

/** As others do it who know no lock, but how to replace a file. */
function replace(file: string, content: string): void {
  writeFileSync(`${file}.new`, content)
  renameSync(`${file}.new`, file)
}

/** Values until one has the number. */
async function upTo(values: AsyncIterableIterator<Count>, n: number): Promise<number[]> {
  const seen: number[] = []
  for (;;) {
    const { value, done } = (await values.next()) as IteratorResult<Count, undefined>
    if (done === true) throw new Error('ended')
    seen.push(value.n)
    if (value.n === n) return seen
  }
}

describe('who watches', () => {
  test('is given the value now, then what this process writes', async () => {
    const { store, values } = await watched()
    expect(await upTo(values, 0)).toEqual([0])
    const next = values.next()
    await mustStayBlocked(next)
    await store.update(() => ({ n: 1 }))
    expect(await next).toEqual({ done: false, value: { n: 1 } })
  })

  test('sees the replacements of another process, none of them twice, and the last one in any case', async () => {
    const { file, values } = await watched()
    const other = await StoreProcess.start(file)
    expect(await upTo(values, 0)).toEqual([0])
    const seen = upTo(values, 30)
    await other.ask('increment', 30)
    const numbers = await seen
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    const next = values.next()
    await mustStayBlocked(next)
    await other.ask('increment', 1)
    expect((await next).value).toEqual({ n: 31 })
  })

  test('sees what comes between two values, though it asks for the second one late', async () => {
    const { file, values } = await watched()
    await upTo(values, 0)
    replace(file, '{"n":1}')
    replace(file, '{"n":2}')
    expect(await upTo(values, 2)).toEqual([2])
  })

  test('sees a file that is written in place', async () => {
    const { file, values } = await watched()
    await upTo(values, 0)
    writeFileSync(file, '{"n":7}')
    expect(await upTo(values, 7)).toEqual([7])
  })

  test('is not told of a replacement by the same', async () => {
    const { file, values } = await watched()
    await upTo(values, 0)
    replace(file, '{"n":0}')
    const next = values.next()
    await mustStayBlocked(next)
    replace(file, '{"n":1}')
    expect((await next).value).toEqual({ n: 1 })
  })

  test('is given nothing while there is no file, and then its content', async () => {
    const { file, values } = await watched(null)
    const next = values.next()
    await mustStayBlocked(next)
    replace(file, '{"n":3}')
    expect((await next).value).toEqual({ n: 3 })
  })

  test('is given what a missing file stands for, when it is deleted too', async () => {
    const { file, store, values } = await watched(null, { initial: { n: -1 } })
    expect(await upTo(values, -1)).toEqual([-1])
    await store.update(() => ({ n: 5 }))
    expect(await upTo(values, 5)).toEqual([5])
    rmSync(file)
    expect(await upTo(values, -1)).toEqual([-1])
  })

  test('is given values of its own', async () => {
    const { store, values } = await watched()
    const others = store.watch()
    const first = (await values.next()).value as Count
    first.n = 1000
    expect((await others.next()).value).toEqual({ n: 0 })
  })

  test('does not see the half of a file that somebody writes in place', async () => {
    const { file, values } = await watched()
    await upTo(values, 0)
    writeFileSync(file, '{"n":')
    const next = values.next()
    await mustStayBlocked(next)
    writeFileSync(file, '{"n":8}')
    expect((await next).value).toEqual({ n: 8 })
  })

  test('hears of a file that stays unreadable, and that ends it', async () => {
    const { file, values } = await watched()
    await upTo(values, 0)
    writeFileSync(file, '{"n":')
    await expect(values.next()).rejects.toMatchObject({ code: 'ERR_SESSION_UNREADABLE' })
    expect(await values.next()).toEqual({ done: true, value: undefined })
  })

  test('of a store that begins anew is given what that begins with', async () => {
    const { file, values } = await watched('{"n":0}', { initial: { n: -1 }, onUnreadable: 'start-anew' })
    await upTo(values, 0)
    writeFileSync(file, '{"n":')
    expect(await upTo(values, -1)).toEqual([-1])
  })

  test.skipIf(missing(posix))('sees through a symlink, and where it leads later', async () => {
    const [one, two] = [join(scratch(), 'one.json'), join(scratch(), 'two.json')]
    const link = join(scratch(), 'link.json')
    writeFileSync(one, '{"n":1}')
    writeFileSync(two, '{"n":2}')
    symlinkSync(one, link)
    await using store = await openStore<Count>(link)
    const values = store.watch()
    expect(await upTo(values, 1)).toEqual([1])
    replace(one, '{"n":11}')
    expect(await upTo(values, 11)).toEqual([11])
    symlinkSync(two, `${link}.new`)
    renameSync(`${link}.new`, link)
    expect(await upTo(values, 2)).toEqual([2])
    replace(two, '{"n":22}')
    expect(await upTo(values, 22)).toEqual([22])
  })

  test('sees a folder that was moved away and made again', async () => {
    const { file, values } = await watched()
    await upTo(values, 0)
    renameSync(dirname(file), `${dirname(file)}-away`)
    onTestFinished(() => rmSync(`${dirname(file)}-away`, { recursive: true }))
    mkdirSync(dirname(file))
    writeFileSync(file, '{"n":4}')
    expect(await upTo(values, 4)).toEqual([4])
  })
})

describe('watching ends', () => {
  test('when the loop is left', async () => {
    const { store } = await watched()
    for await (const { n } of store.watch()) {
      expect(n).toBe(0)
      break
    }
  })

  test('when it is told to, though it waits for a value', async () => {
    const { values } = await watched()
    await upTo(values, 0)
    const next = values.next()
    await values.return?.()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('when the signal aborts, and another one goes on', async () => {
    const { file, store, values } = await watched()
    const controller = new AbortController()
    const others = store.watch({ signal: controller.signal })
    await Promise.all([upTo(values, 0), upTo(others, 0)])
    const [next, last] = [values.next(), others.next()]
    controller.abort()
    expect(await last).toEqual({ done: true, value: undefined })
    replace(file, '{"n":1}')
    expect((await next).value).toEqual({ n: 1 })
    expect(await store.watch({ signal: controller.signal }).next()).toEqual({ done: true, value: undefined })
  })

  test('when the store is closed', async () => {
    const { store, values } = await watched()
    await upTo(values, 0)
    const next = values.next()
    await store.close()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('and keeps a process alive until then, and not after it', async () => {
    const { file } = await watched()
    const other = await StoreProcess.start(file)
    await other.ask('watch')
    other.tell('disconnect')
    await mustStayBlocked(other.ended)
    replace(file, '{"n":-1}') // upon which it leaves its loop
    expect(await other.ended).toEqual({ code: 0, signal: null })
  })

  test('by what is no signal is refused', async () => {
    const { store } = await watched()
    expect(() => store.watch({ signal: 1 } as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
    expect(() => store.watch({ poll: 1 } as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }))
  })
})
