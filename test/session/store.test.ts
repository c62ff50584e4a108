// Updates of a store: their order, their batches, and what one of them cannot do to the others.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'

import { acquire, inspect, isLockError, Owner, type HoldEvent } from '../../src/index.js'
import { isSessionError } from '../../src/session/errors.js'
import { openStore } from '../../src/session/store.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { untilSync } from '../helpers/until.js'

interface Count {
  n: number
}

function newFile(content?: unknown): string {
  const file = join(scratch(), 'sessions.json')
  if (content !== undefined) writeFileSync(file, JSON.stringify(content))
  return file
}

const parsed = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))
function add(value: Count): void {
  value.n++
}

function caught(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => null,
    (error: unknown) => error,
  )
}

/** How often stores have held a lock since then. */
function countHolds(): () => number {
  let count = 0
  const listener = (event: unknown): void => {
    if ((event as HoldEvent).label === 'store') count++
  }
  subscribe('holdfast:hold', listener)
  onTestFinished(() => void unsubscribe('holdfast:hold', listener))
  return () => count
}

describe('updates', () => {
  test('are applied in the order of their calls, each to what the one before has left', async () => {
    const file = newFile([])
    await using store = await openStore<number[]>(file)
    const lanes = Array.from({ length: 40 }, (_, index) => store.update((value) => [...value, index]))
    const all = Array.from({ length: 40 }, (_, index) => index)
    const results = await Promise.all(lanes)
    expect(parsed(file)).toEqual(all)
    for (const [index, value] of results.entries()) expect(value.slice(0, index + 1)).toEqual(all.slice(0, index + 1))
  })

  test('that wait for the lock together take it once, and replace the file once', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    const hold = await acquire(file)
    const holds = countHolds()
    const before = statSync(file).ino
    const lanes = Array.from({ length: 50 }, () => store.update(add))
    await mustStayBlocked(Promise.race(lanes))
    expect(statSync(file).ino).toBe(before)
    hold.release()
    await Promise.all(lanes)
    expect(holds()).toBe(1)
    expect(statSync(file).ino).not.toBe(before)
    expect(parsed(file)).toEqual({ n: 50 })
  })

  test('that come while a batch is written make the next one', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    const holds = countHolds()
    const later: Promise<Count>[] = []
    await store.update((value) => {
      for (let i = 0; i < 10; i++) later.push(store.update(add))
      add(value)
    })
    expect(await Promise.all(later)).toHaveLength(10)
    expect(parsed(file)).toEqual({ n: 11 })
    expect(holds()).toBe(2)
  })

  test('may change the value they are given, or answer with another one', async () => {
    const file = newFile({ n: 1 })
    await using store = await openStore<Count>(file)
    await store.update((value) => {
      value.n = 2
    })
    expect(parsed(file)).toEqual({ n: 2 })
    await store.update(() => ({ n: 3 }))
    expect(parsed(file)).toEqual({ n: 3 })
  })

  test('are given what is in the file now, whoever has written it', async () => {
    const file = newFile({ n: 1 })
    await using store = await openStore<Count>(file)
    await store.update(add)
    writeFileSync(file, '{"n":40}')
    expect(await store.update(add)).toEqual({ n: 41 })
  })

  test('are given what they would read: nothing that JSON does not carry goes from one to the next', async () => {
    await using store = await openStore<Record<string, unknown>>(newFile({}))
    const lanes = [
      store.update((value) => ({ ...value, at: new Date(0), gone: undefined })),
      store.update((value) => ({ seen: typeof value.at, keys: Object.keys(value) })),
    ]
    expect((await Promise.all(lanes))[1]).toEqual({ seen: 'string', keys: ['at'] })
  })

  test('resolve to what the file has with all that went out together, which nobody can change', async () => {
    await using store = await openStore<{ n: number; in: { list: number[] } }>(newFile({ n: 0, in: { list: [1] } }))
    const grow = (value: { n: number }): void => {
      value.n++
    }
    const [first, second] = await Promise.all([store.update(grow), store.update(grow)])
    expect([first.n, second]).toEqual([2, first])
    expect(() => (first.n = 100)).toThrow(TypeError)
    expect(() => first.in.list.push(2)).toThrow(TypeError)
    expect(await store.update(grow)).toEqual({ n: 3, in: { list: [1] } })
    expect(first.n).toBe(2)
  })

  test('are called again, each with a value of its own, if one of them throws', async () => {
    await using store = await openStore<Count>(newFile({ n: 0 }))
    const given: number[] = []
    const lanes = [1, 2, 3].map((lane) =>
      store.update((value) => {
        given.push(value.n)
        value.n += 10 ** lane
        if (lane === 2) throw new Error('no')
      }),
    )
    const ends = await Promise.allSettled(lanes)
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await store.read()).toEqual({ n: 1010 })
    expect(given.slice(-3)).toEqual([0, 10, 10])
  })

  test('of several stores of one file lose nothing', async () => {
    const file = newFile({ n: 0 })
    const stores = await Promise.all([openStore<Count>(file), openStore<Count>(file), openStore<Count>(file)])
    await Promise.all(Array.from({ length: 10 }, () => stores.map((store) => store.update(add))).flat())
    expect(parsed(file)).toEqual({ n: 30 })
  })

  test('of a value too large for one batch follow in the next ones', async () => {
    const file = newFile({ n: 0, text: 'x'.repeat(6 * 2 ** 20) })
    await using store = await openStore<Count>(file)
    const holds = countHolds()
    await Promise.all(Array.from({ length: 5 }, () => store.update(add)))
    expect(holds()).toBe(3) // of two each
    expect((await store.read()).n).toBe(5)
  })

  test('that change nothing leave the file alone, once it is certain to be on the device', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    await store.update(add)
    const { ino } = statSync(file)
    await store.update((value) => value)
    expect(statSync(file).ino).toBe(ino)
    writeFileSync(file, '{"n":1}\n') // the same by somebody who may not have synchronised it
    renameSync(file, `${file}.old`)
    writeFileSync(file, '{"n":1}\n')
    const other = statSync(file).ino
    await store.update((value) => value)
    expect(statSync(file).ino).not.toBe(other)
  })
})

describe('an update that fails', () => {
  test('rejects alone with what it threw, and leaves no trace in the others', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    const thrown = new Error('not this one')
    const lanes = [
      store.update(add),
      store.update((value) => {
        value.n = 1000
        throw thrown
      }),
      store.update(add),
    ]
    const [first, second, third] = await Promise.allSettled(lanes)
    expect(first).toEqual({ status: 'fulfilled', value: { n: 2 } })
    expect(second).toEqual({ status: 'rejected', reason: thrown })
    expect(third).toEqual({ status: 'fulfilled', value: { n: 2 } })
    expect(parsed(file)).toEqual({ n: 2 })
  })

  test.for([
    ['without validate', {}],
    ['with validate', { validate: (value: unknown) => typeof value === 'object' }],
  ] as const)('leaves no trace where it comes first, and where it comes second: %s', async ([, options]) => {
    await using store = await openStore<Count>(newFile({ n: 0 }), options)
    const spoil = (value: Count): never => {
      value.n = 1000
      throw new Error('no')
    }
    const lanes = [store.update(spoil), store.update(add), store.update(spoil), store.update(add)]
    const outcomes = await Promise.allSettled(lanes)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(await store.read()).toEqual({ n: 2 })
  })

  test('writes nothing when it was alone, and makes no file', async () => {
    const file = newFile()
    await using store = await openStore<Count>(file, { initial: { n: 0 } })
    await expect(
      store.update(() => {
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(existsSync(file)).toBe(false)
  })

  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  test.for<[string, unknown]>([
    ['a function', () => 0],
    ['a symbol', Symbol('s')],
    ['a BigInt', { n: 1n }],
    ['a cycle', cycle],
    [
      'what its toJSON() refuses',
      {
        toJSON() {
          throw new Error('no JSON')
        },
      },
    ],
    ['what its toJSON() leaves out', { toJSON: () => undefined }],
  ])('is one that answers with %s, which JSON cannot carry', async ([, answer]) => {
    const file = newFile({ n: 0 })
    await using store = await openStore<unknown>(file)
    const lanes = [store.update(() => answer), store.update(() => ({ n: 1 }))]
    const [refused, done] = await Promise.allSettled(lanes)
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'ERR_SESSION_VALUE', path: file } })
    expect(done).toMatchObject({ status: 'fulfilled' })
    expect(parsed(file)).toEqual({ n: 1 })
  })

  test('is one that answers with a promise: nothing of it is written, and its own failure harms nobody', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<unknown>(file)
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const promised = store.update(async (value) => {
      add(value as Count)
      await Promise.reject(new Error('later'))
    })
    await expect(promised).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
    expect(parsed(file)).toEqual({ n: 0 })
  })

  test('is refused at once when it is no function', async () => {
    await using store = await openStore<unknown>(newFile({}))
    await expect(store.update('add' as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
    await expect(store.update(() => 1, { wait: 1 } as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
    await expect(store.update(() => 1, { owner: {} } as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })
})

describe('a writer that does not keep the lock', () => {
  test('has its change read, and the update applied to it', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    let calls = 0
    await store.update((value) => {
      if (calls++ === 0) writeFileSync(file, '{"n":4000}')
      add(value)
    })
    expect(calls).toBe(2)
    expect(parsed(file)).toEqual({ n: 4001 })
  })

  test('that makes the file first has its content read', async () => {
    const file = newFile()
    await using store = await openStore<Count>(file, { initial: { n: 0 } })
    await store.update((value) => {
      if (!existsSync(file)) writeFileSync(file, '{"n":4000}')
      add(value)
    })
    expect(parsed(file)).toEqual({ n: 4001 })
  })

  test('and never stops is a conflict, not a loop without end', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    let text = '{"n":0}'
    const update = store.update((value) => {
      writeFileSync(file, (text += ' '))
      add(value)
    })
    await expect(update).rejects.toMatchObject({ code: 'ERR_SESSION_CONFLICT', undone: true })
    expect(readFileSync(file, 'utf8')).toBe(text)
    expect(inspect(file).state).toBe('free')
  })
})

describe('waiting', () => {
  const holders: { release(): void }[] = []
  afterEach(() => {
    for (const hold of holders.splice(0)) hold.release()
  })

  async function busyStore(): Promise<{ file: string; store: Awaited<ReturnType<typeof openStore<Count>>> }> {
    const file = newFile({ n: 0 })
    const store = await openStore<Count>(file)
    holders.push(await acquire(file))
    return { file, store }
  }

  test('ends when its time runs out, and the error tells who held the lock', async () => {
    const { file, store } = await busyStore()
    const error = await caught(store.update(add, { timeout: 20 }))
    expect(isLockError(error, 'ERR_LOCK_TIMEOUT')).toBe(true)
    expect(error).toMatchObject({ path: file, position: 1, holder: { here: true } })
    holders.pop()?.release()
    await store.update(add)
    expect(parsed(file)).toEqual({ n: 1 })
  })

  test('is as long as the store says, or the owner', async () => {
    const { file } = await busyStore()
    const [impatient, patient] = [await openStore(file, { timeout: 20 }), await openStore(file, { timeout: Infinity })]
    await expect(impatient.update((value) => value)).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    const owner = new Owner('lane', { timeout: 20 })
    const update = patient.update((value) => value, { owner })
    await expect(update).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  })

  test('is not needed with a timeout of 0, and not done', async () => {
    const { file, store } = await busyStore()
    await expect(store.update(add, { timeout: 0 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    holders.pop()?.release()
    expect(await store.update(add, { timeout: 0 })).toEqual({ n: 1 })
    expect(parsed(file)).toEqual({ n: 1 })
  })

  test('ends when its signal aborts, with the reason of that, and the others go on', async () => {
    const { file, store } = await busyStore()
    const controller = new AbortController()
    const aborted = caught(store.update(() => ({ n: 1000 }), { signal: controller.signal }))
    const other = store.update(add)
    const reason = new Error('not any more')
    controller.abort(reason)
    expect(await aborted).toBe(reason)
    holders.pop()?.release()
    expect(await other).toEqual({ n: 1 })
    expect(parsed(file)).toEqual({ n: 1 })
    await expect(store.update(add, { signal: controller.signal })).rejects.toBe(reason)
  })

  test('that nobody does any more takes no lock', async () => {
    const { file, store } = await busyStore()
    const controller = new AbortController()
    const aborted = caught(store.update(add, { signal: controller.signal }))
    controller.abort()
    await aborted
    const holds = countHolds()
    holders.pop()?.release()
    const next = await acquire(file, { timeout: 0 })
    next.release()
    await store.close()
    expect(holds()).toBe(0)
    expect(parsed(file)).toEqual({ n: 0 })
  })

  test('that the last one gives up does not end for one that comes in the same moment', async () => {
    const { store } = await busyStore()
    const controller = new AbortController()
    const aborted = caught(store.update(add, { signal: controller.signal }))
    controller.abort()
    const next = store.update(add)
    await aborted
    holders.pop()?.release()
    expect(await next).toEqual({ n: 1 })
  })

  test('is over once the update is applied: an abort after that is too late, and the write is told', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    const controller = new AbortController()
    const update = store.update(
      (value) => {
        controller.abort()
        add(value)
      },
      { signal: controller.signal },
    )
    expect(await update).toEqual({ n: 1 })
    expect(parsed(file)).toEqual({ n: 1 })
  })

  test('ends when its owner is closed', async () => {
    const { file, store } = await busyStore()
    const owner = new Owner('lane')
    const update = caught(store.update(add, { owner }))
    owner.close('over')
    expect(await update).toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED', cause: 'over' })
    expect(await caught(store.update(add, { owner }))).toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED' })
    expect(parsed(file)).toEqual({ n: 0 })
  })
})

describe('an owner', () => {
  test('that holds the lock of the file updates it under its own hold, while the others wait', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    const owner = new Owner('lane')
    const hold = await acquire(file, { owner })
    const other = store.update(add)
    const order = await Promise.all([
      store.update((value) => ({ n: value.n + 10 }), { owner }),
      store.update((value) => ({ n: value.n * 2 }), { owner }),
    ])
    expect(order).toEqual([{ n: 20 }, { n: 20 }])
    expect(hold.held).toBe(true)
    await mustStayBlocked(other)
    hold.release()
    expect(await other).toEqual({ n: 21 })
  })

  test('that holds the lock has its updates applied one after the other, each once', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    const owner = new Owner('lane')
    const hold = await acquire(file, { owner })
    const seen: number[] = []
    const lanes = Array.from({ length: 30 }, () => store.update(({ n }) => ({ n: seen.push(n) }), { owner }))
    await Promise.all(lanes)
    hold.release()
    expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => index))
  })

  test('that holds what the lock of the file waits for is refused at once', async () => {
    const file = newFile({ n: 0 })
    const elsewhere = join(scratch(), 'elsewhere')
    await using store = await openStore<Count>(file)
    const [one, two] = [new Owner('one'), new Owner('two')]
    await acquire(elsewhere, { owner: one, keep: true })
    await acquire(file, { owner: two, keep: true })
    const waits = caught(acquire(elsewhere, { owner: two }))
    await expect(store.update(add, { owner: one })).rejects.toMatchObject({ code: 'ERR_LOCK_DEADLOCK' })
    two.close()
    await waits
    expect(await store.update(add, { owner: one })).toEqual({ n: 1 })
    one.close()
  })

  test('that is closed while its update is applied keeps the lock until that is written', async () => {
    const file = newFile({ n: 0 })
    await using store = await openStore<Count>(file)
    const owner = new Owner('lane')
    await acquire(file, { owner, keep: true })
    const next = acquire(file)
    const update = store.update(
      (value) => {
        owner.close('over')
        add(value)
      },
      { owner },
    )
    const hold = await next
    expect(parsed(file)).toEqual({ n: 1 })
    hold.release()
    expect(await update).toEqual({ n: 1 })
  })
})

test('an update that lasts longer than maxHold lets others in and writes nothing', async () => {
  const file = newFile({ n: 0 })
  await using store = await openStore<Count>(file, { maxHold: 30 })
  const update = store.update((value) => {
    untilSync('the lock is free', () => inspect(file).state !== 'held')
    add(value)
  })
  expect(await caught(update)).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
  expect(parsed(file)).toEqual({ n: 0 })
})

describe('a store that is closed', () => {
  test('has settled what was queued, and refuses everything else', async () => {
    const file = newFile({ n: 0 })
    const store = await openStore<Count>(file)
    const hold = await acquire(file)
    const queued = store.update(add)
    const closed = store.close()
    await mustStayBlocked(closed)
    const refused = [store.update(add), store.read(), store.update(add)]
    for (const promise of refused) {
      expect(isSessionError(await caught(promise), 'ERR_SESSION_CLOSED')).toBe(true)
    }
    expect(() => store.watch()).toThrow(expect.objectContaining({ code: 'ERR_SESSION_CLOSED' }))
    hold.release()
    await closed
    expect(await queued).toEqual({ n: 1 })
    expect(store.close()).toBe(store.close())
    expect(parsed(file)).toEqual({ n: 1 })
  })
})
