// Appends that wait for the lock: what is pending, and every way to give up. Whoever gave up has written nothing; whose
// write had begun is told of the write.
import { existsSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { acquire, LockTimeoutError, Owner } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { file } from '../helpers/target.js'
import { fresh, holdEvents, linesOf, opened, valuesIn, valuesOf } from '../helpers/transcript.js'
import { until } from '../helpers/until.js'

/** Everything that this turn of the event loop can still do is done; nothing that comes from another thread is. */
async function microtasks(): Promise<void> {
  for (let count = 0; count < 100; count++) await Promise.resolve()
}

describe('pending', () => {
  test('counts the lines and bytes that are not written yet, those on their way included', async () => {
    const transcript = await fresh()
    expect(transcript.pending).toEqual({ lines: 0, bytes: 0 })
    const one = transcript.append('ü')
    expect(transcript.pending).toEqual({ lines: 1, bytes: 5 })
    const more = transcript.appendAll([1, 2, 3])
    expect(transcript.pending).toEqual({ lines: 4, bytes: 11 })
    await microtasks()
    expect(transcript.pending).toEqual({ lines: 4, bytes: 11 })
    await one
    await more
    expect(transcript.pending).toEqual({ lines: 0, bytes: 0 })
  })

  test('counts those that gave up no more', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const controller = new AbortController()
    const given = transcript.append('aaaa', { signal: controller.signal })
    const kept = transcript.append('b')
    controller.abort()
    expect(transcript.pending).toEqual({ lines: 1, bytes: 4 })
    await expect(given).rejects.toBe(controller.signal.reason)
    hold.release()
    await kept
  })

  test('is full at the high-water mark, refuses nothing, and drained() resolves below it', async () => {
    const transcript = await fresh({ highWater: 10 })
    const hold = await acquire(transcript.path)
    await transcript.drained()
    const appended = [transcript.append('1234')] // 7 bytes
    expect(transcript.full).toBe(false)
    appended.push(transcript.append(5)) // 2
    expect(transcript.full).toBe(false)
    appended.push(transcript.appendAll([]), transcript.append('')) // 3
    expect(transcript.full).toBe(true)
    appended.push(transcript.append('more'))
    const drained = transcript.drained()
    await mustStayBlocked(drained)
    hold.release()
    await drained
    expect(transcript.full).toBe(false)
    await Promise.all(appended)
    expect(valuesIn(transcript.path)).toEqual(['1234', 5, '', 'more'])
  })

  test('drained() resolves for every producer that waits, also when appends are given up instead of written', async () => {
    const transcript = await fresh({ highWater: 1 })
    const hold = await acquire(transcript.path)
    const controller = new AbortController()
    const given = transcript.append(1, { signal: controller.signal })
    const drained = Promise.all([transcript.drained(), transcript.drained()])
    controller.abort()
    await drained
    await expect(given).rejects.toBe(controller.signal.reason)
    hold.release()
  })
})

describe('an abort', () => {
  test('before the write rejects with its reason at once, and nothing of it is in the file', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const controller = new AbortController()
    const before = transcript.append('before')
    const given = transcript.append('given up', { signal: controller.signal })
    const after = transcript.append('after')
    const reason = new Error('never mind')
    controller.abort(reason)
    await expect(given).rejects.toBe(reason)
    hold.release()
    await Promise.all([before, after])
    expect(valuesIn(transcript.path)).toEqual(['before', 'after'])
  })

  test('of the only one that waits frees the place in the queue for the lock', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const controller = new AbortController()
    const given = transcript.append('given up', { signal: controller.signal })
    const next = acquire(transcript.path)
    controller.abort()
    await expect(given).rejects.toBe(controller.signal.reason)
    const holds = holdEvents()
    hold.release()
    ;(await next).release()
    expect(holds).toHaveLength(1)
    await transcript.append('later')
    expect(valuesIn(transcript.path)).toEqual(['later'])
  })

  test('and an append in the same turn do not disturb each other', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const controller = new AbortController()
    const given = transcript.append('given up', { signal: controller.signal })
    await microtasks()
    controller.abort()
    const kept = transcript.append('kept')
    await expect(given).rejects.toBe(controller.signal.reason)
    hold.release()
    await kept
    expect(valuesIn(transcript.path)).toEqual(['kept'])
  })

  test('that came before the call rejects without touching anything', async () => {
    const transcript = await fresh()
    await expect(transcript.append(1, { signal: AbortSignal.abort('no') })).rejects.toBe('no')
    expect(existsSync(transcript.path)).toBe(false)
    expect(transcript.pending.lines).toBe(0)
  })

  test('after the write has begun changes nothing: the promise tells of the write', async () => {
    const transcript = await fresh()
    const holds = holdEvents()
    const controller = new AbortController()
    const appended = transcript.append('written', { signal: controller.signal })
    while (holds.length === 0) await Promise.resolve()
    await microtasks()
    controller.abort()
    expect(await appended).toBe(await transcript.version())
    expect(valuesIn(transcript.path)).toEqual(['written'])
  })
})

describe('a time-out', () => {
  test('names who holds the lock and the place in the queue, and nothing of the append is in the file', async () => {
    const transcript = await fresh()
    const agent = await Agent.start()
    const hold = await agent.acquire(transcript.path, { label: 'nightly' })
    const waiting = transcript.append('waits', { timeout: Infinity })
    const refused = transcript.append('too late', { timeout: 30 })
    const error: unknown = await refused.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(LockTimeoutError)
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', path: transcript.path, position: 2 })
    expect(error).toMatchObject({ holder: { pid: agent.pid, label: 'nightly' } })
    expect((error as LockTimeoutError).waited).toBeGreaterThanOrEqual(29)
    await agent.release(hold)
    await waiting
    expect(valuesIn(transcript.path)).toEqual(['waits'])
  })

  test('is that of the transcript where the call has none, and that of the owner before it', async () => {
    const path = file()
    const hold = await acquire(path)
    const transcript = await opened(path, { timeout: 20 })
    await expect(transcript.append(1)).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    const patient = new Owner('patient', { timeout: Infinity })
    const waiting = transcript.append(2, { owner: patient })
    await mustStayBlocked(waiting)
    hold.release()
    await waiting
    expect(valuesIn(path)).toEqual([2])
  })

  test('of 0 waits for nobody: it writes where the lock is free, and is refused where it is not', async () => {
    const transcript = await fresh()
    await transcript.append(1, { timeout: 0 })
    const hold = await acquire(transcript.path)
    await expect(transcript.append(2, { timeout: 0 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    hold.release()
    await transcript.append(3, { timeout: 0 })
    expect(valuesIn(transcript.path)).toEqual([1, 3])
  })

  test('of one does not touch the others', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const all = Promise.allSettled([
      transcript.append(1, { timeout: 10 }),
      transcript.append(2),
      transcript.append(3, { timeout: 10 }),
    ])
    await until('two gave up', () => transcript.pending.lines === 1)
    hold.release()
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
    expect(valuesIn(transcript.path)).toEqual([2])
  })
})

describe('an owner', () => {
  test('that closes rejects what it waits for, with the reason, and nothing of it is in the file', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const owner = new Owner('lane')
    const given = [transcript.append(1, { owner }), transcript.append(2, { owner })]
    const other = transcript.append(3)
    const reason = new Error('the run is over')
    owner.close(reason)
    for (const append of given) {
      await expect(append).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED', cause: reason })
    }
    hold.release()
    await other
    expect(valuesIn(transcript.path)).toEqual([3])
    await expect(transcript.append(4, { owner })).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED' })
  })

  test('whose signal aborts gives up too', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const controller = new AbortController()
    const owner = new Owner('lane', { signal: controller.signal })
    const given = transcript.append(1, { owner })
    controller.abort()
    await expect(given).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED' })
    hold.release()
  })

  test('that closes after its write has begun is told of the write', async () => {
    const transcript = await fresh()
    const holds = holdEvents()
    const owner = new Owner('lane')
    const appended = transcript.append('written', { owner })
    while (holds.length === 0) await Promise.resolve()
    await microtasks()
    owner.close()
    expect(await appended).toBe(await transcript.version())
  })

  test('that holds the lock itself appends inside its hold, several at once, while others wait', async () => {
    const transcript = await fresh()
    const owner = new Owner('compaction')
    const hold = await acquire(transcript.path, { owner })
    const others = [transcript.append('other 1'), transcript.append('other 2', { owner: new Owner('another') })]
    const own = await Promise.all([1, 2, 3].map((n) => transcript.append(n, { owner })))
    expect(await transcript.append(4, { owner, expect: own[2] ?? '' })).toBe(await transcript.version())
    expect(hold.held).toBe(true)
    await mustStayBlocked(Promise.race(others))
    expect(valuesIn(transcript.path)).toEqual([1, 2, 3, 4])
    expect(transcript.pending.lines).toBe(2)

    hold.release()
    await Promise.all(others)
    expect(valuesIn(transcript.path)).toEqual([1, 2, 3, 4, 'other 1', 'other 2'])
    await transcript.append('after', { owner })
  })

  test('that has let go of the lock waits for it like others', async () => {
    const transcript = await fresh()
    const owner = new Owner('lane')
    ;(await acquire(transcript.path, { owner })).release()
    const hold = await acquire(transcript.path)
    const waiting = transcript.append(1, { owner })
    await mustStayBlocked(waiting)
    hold.release()
    await waiting
  })

  test('compacts and deletes inside its own hold', async () => {
    const transcript = await fresh()
    const version = await transcript.appendAll([1, 2, 3])
    const owner = new Owner('compaction')
    const hold = await acquire(transcript.path, { owner })
    await transcript.compact([6], { expect: version, owner })
    expect(valuesIn(transcript.path)).toEqual([6])
    await transcript.delete({ owner })
    expect(existsSync(transcript.path)).toBe(false)
    expect(hold.held).toBe(true)
    hold.release()
  })
})

test('what was appended while another process held the lock is written when that lets go', async () => {
  const transcript = await fresh()
  const agent = await Agent.start()
  const hold = await agent.acquire(transcript.path)
  const appended = [1, 2, 3].map((n) => transcript.append(n))
  await mustStayBlocked(Promise.race(appended))
  expect(existsSync(transcript.path)).toBe(false)
  await agent.release(hold)
  await Promise.all(appended)
  expect(valuesIn(transcript.path)).toEqual([1, 2, 3])
})

describe('close()', () => {
  test('waits for what is pending, and refuses what comes later', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const version = await transcript.version()
    const appended = [transcript.append(1), transcript.append(2)]
    const closed = transcript.close()
    expect(transcript.closed).toBe(true)
    const refusal = { name: 'SessionError', code: 'ERR_SESSION_CLOSED', path: transcript.path }
    await expect(transcript.append(3)).rejects.toMatchObject(refusal)
    await expect(transcript.appendAll([])).rejects.toMatchObject(refusal)
    await expect(transcript.compact([], { expect: version })).rejects.toMatchObject(refusal)
    await expect(transcript.delete()).rejects.toMatchObject(refusal)
    await mustStayBlocked(closed)
    hold.release()
    await Promise.all(appended)
    await closed
    await transcript.close()
    expect(valuesIn(transcript.path)).toEqual([1, 2])
  })

  test('waits for what an owner appends inside its own hold, too', async () => {
    const transcript = await fresh()
    const owner = new Owner('lane')
    const hold = await acquire(transcript.path, { owner })
    const appended = transcript.append(1, { owner })
    await transcript.close()
    expect(valuesIn(transcript.path)).toEqual([1])
    await appended
    hold.release()
  })

  test('happens at the end of its scope', async () => {
    const path = file()
    let appended: Promise<string>
    {
      await using transcript = await opened(path)
      appended = transcript.append(1)
    }
    expect(valuesIn(path)).toEqual([1])
    await appended
  })

  test('leaves the file readable', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    await transcript.close()
    expect(valuesOf(await linesOf(transcript.read()))).toEqual([1])
  })
})

describe('delete()', () => {
  test('deletes what was queued before with the file, and what comes later is in a new one', async () => {
    const transcript = await fresh()
    const before = transcript.append('before')
    await Promise.all([before, transcript.append('too'), transcript.delete()])
    expect(existsSync(transcript.path)).toBe(false)
    expect(existsSync(`${transcript.path}.hold`)).toBe(true)
    expect(await transcript.version()).toBe('none')
    await Promise.all([transcript.append('gone'), transcript.delete(), transcript.append('after')])
    expect(valuesIn(transcript.path)).toEqual(['after'])
  })

  test('comes after all that was queued before, however many batches that is, and before what comes later', async () => {
    const transcript = await fresh({ batchBytes: 1 })
    const hold = await acquire(transcript.path)
    const before = [1, 2, 3, 4].map((n) => transcript.append(n))
    const deleted = transcript.delete()
    const after = [5, 6].map((n) => transcript.append(n))
    hold.release()
    await Promise.all([...before, deleted, ...after])
    expect(valuesIn(transcript.path)).toEqual([5, 6])
  })

  test('is waited for by close()', async () => {
    const transcript = await fresh()
    const hold = await acquire(transcript.path)
    const appended = transcript.append(1)
    const deleted = transcript.delete()
    const closed = transcript.close()
    hold.release()
    await closed
    expect(existsSync(transcript.path)).toBe(false)
    await Promise.all([appended, deleted])
  })

  test('of no file is nothing', async () => {
    const transcript = await fresh()
    await transcript.delete()
    expect(existsSync(transcript.path)).toBe(false)
  })

  test('waits for the lock, no longer than it is told to', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    const hold = await acquire(transcript.path)
    await expect(transcript.delete({ timeout: 10 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    await expect(transcript.delete({ signal: AbortSignal.abort('no') })).rejects.toBe('no')
    hold.release()
    expect(valuesIn(transcript.path)).toEqual([1])
  })
})
