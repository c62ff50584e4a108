// What the package promises of locks and holds, on a real server, through both clients.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { isLockError, Owner, type Hold } from '../../src/index.js'
import { openPostgres, type PostgresOptions, type RemoteHoldfast } from '../../src/postgres.js'
import { missing } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start()
})
afterAll(async () => {
  if (!skip) await server.stop()
})

let names = 0
const fresh = (): string => `name-${++names}`

describe.skipIf(skip).each(adapters)('with $name', ({ adapter }) => {
  async function open(options: Partial<PostgresOptions> = {}): Promise<RemoteHoldfast> {
    const remote = await openPostgres({ adapter: adapter(server.url), namespace: 'test', ...options })
    onTestFinished(() => remote.close())
    return remote
  }

  test('an exclusive hold excludes both modes of another client, until it is released', async () => {
    const [ours, theirs, name] = [await open(), await open(), fresh()]
    const hold = await ours.acquire(name)
    expect(hold.held).toBe(true)
    expect(hold.path).toBe(name)
    expect(await theirs.tryAcquire(name)).toBeNull()
    expect(await theirs.tryAcquire(name, { mode: 'shared' })).toBeNull()
    hold.release()
    const next = await theirs.acquire(name)
    expect(await ours.tryAcquire(name)).toBeNull()
    next.release()
  })

  test('shared holds share, and exclude an exclusive one until the last is released', async () => {
    const [a, b, c, name] = [await open(), await open(), await open(), fresh()]
    const first = await a.acquire(name, { mode: 'shared' })
    const second = await b.acquire(name, { mode: 'shared' })
    expect(first.fence).toBeNull()
    const third = c.acquire(name)
    first.release()
    await mustStayBlocked(third)
    second.release()
    ;(await third).release()
  })

  test('a wait is granted when the holder on another client releases, in order of arrival', async () => {
    const [ours, theirs, others, name] = [await open(), await open(), await open(), fresh()]
    const hold = await ours.acquire(name)
    const order: string[] = []
    const second = theirs.acquire(name).then((hold) => {
      order.push('second')
      return hold
    })
    await until('the second waits', async () => (await ours.inspect(name)).waiting === 1)
    const third = others.acquire(name).then((hold) => {
      order.push('third')
      return hold
    })
    await until('the third waits', async () => (await ours.inspect(name)).waiting === 2)
    hold.release()
    const next = await second
    await mustStayBlocked(third)
    expect(next.fence).toBeGreaterThan(hold.fence ?? Infinity)
    next.release()
    ;(await third).release()
    expect(order).toEqual(['second', 'third'])
  })

  test('a time-out rejects, names the holder, and leaves nothing in the database', async () => {
    const [ours, theirs, name] = [await open(), await open(), fresh()]
    const hold = await ours.acquire(name)
    const error: unknown = await theirs.acquire(name, { timeout: 50 }).catch((error: unknown) => error)
    expect(isLockError(error, 'ERR_LOCK_TIMEOUT') && error.holder?.pid).toBe(process.pid)
    expect(await server.locks()).toBe(1)
    expect(await theirs.acquire(name, { timeout: 0 }).catch((error: unknown) => isLockError(error))).toBe(true)
    hold.release()
    await until('the release is known', async () => (await theirs.inspect(name)).state === 'free')
    ;(await theirs.acquire(name, { timeout: 0 })).release()
    await until('nothing is left', async () => (await server.locks()) === 0)
  })

  test('an abort rejects with the reason, when nothing of the wait is left in the database', async () => {
    const [ours, theirs, name] = [await open(), await open(), fresh()]
    const hold = await ours.acquire(name)
    const controller = new AbortController()
    const wait = theirs.acquire(name, { signal: controller.signal })
    await until('it waits', async () => (await ours.inspect(name)).waiting === 1)
    controller.abort('enough')
    expect(await wait.catch((reason: unknown) => reason)).toBe('enough')
    expect(await ours.inspect(name)).toMatchObject({ state: 'held', waiting: 0 })
    expect(await server.locks()).toBe(1)
    hold.release()
  })

  test('an owner enters what it holds; its end ends everything, and rejects what waits', async () => {
    const [ours, theirs, name, other] = [await open(), await open(), fresh(), fresh()]
    const owner = new Owner('lane')
    const outer = await ours.acquire(name, { owner })
    const inner = await ours.tryAcquire(name, { owner })
    expect(inner?.held).toBe(true)
    expect(inner?.fence).toBe(outer.fence)
    expect(await ours.tryAcquire(name)).toBeNull()
    const blocker = await theirs.acquire(other)
    const wait = ours.acquire(other, { owner })
    await until('it waits', async () => (await ours.inspect(other)).waiting === 1)
    owner.close('done')
    expect(isLockError(await wait.catch((error: unknown) => error), 'ERR_LOCK_OWNER_CLOSED')).toBe(true)
    expect([outer.held, inner?.held]).toEqual([false, false])
    expect(outer.signal.aborted).toBe(true)
    ;(await theirs.acquire(name)).release()
    blocker.release()
  })

  test('a deadlock of owners of one process is refused', async () => {
    const [ours, a, b] = [await open(), fresh(), fresh()]
    const [first, second] = [new Owner('first'), new Owner('second')]
    await ours.acquire(a, { owner: first })
    await ours.acquire(b, { owner: second })
    const wait = ours.acquire(b, { owner: first })
    await mustStayBlocked(wait)
    const error: unknown = await ours.acquire(a, { owner: second }).catch((error: unknown) => error)
    expect(isLockError(error, 'ERR_LOCK_DEADLOCK')).toBe(true)
    second.close()
    ;(await wait).release()
    first.close()
  })

  test('maxHold ends a hold, and the lock goes to who waits', async () => {
    const [ours, theirs, name] = [await open(), await open(), fresh()]
    const hold = await ours.acquire(name, { maxHold: 30 })
    const next = await theirs.acquire(name)
    expect(hold.held).toBe(false)
    expect(hold.signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
    await expect(hold.guard(() => 1)).rejects.toMatchObject({ reason: 'max-hold' })
    next.release()
  })

  test('a guard keeps the lock past the end of its hold', async () => {
    const [ours, theirs, name] = [await open(), await open(), fresh()]
    const hold = await ours.acquire(name)
    let leave = (): void => {}
    const guard = hold.guard(() => new Promise<void>((resolve) => (leave = resolve)))
    await until('the guard is open', () => leave.length === 1)
    hold.release()
    const next = theirs.acquire(name)
    await mustStayBlocked(next)
    leave()
    await guard
    ;(await next).release()
  })

  test('withLock holds while its section runs; acquireAll takes all or nothing', async () => {
    const [ours, theirs, a, b] = [await open(), await open(), fresh(), fresh()]
    const fence = await ours.withLock(a, async (hold) => {
      expect(await theirs.tryAcquire(a)).toBeNull()
      return hold.fence
    })
    expect(fence).toBeGreaterThan(0)
    const blocker = await theirs.acquire(b)
    await expect(ours.acquireAll([a, b], { timeout: 50 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    ;(await theirs.acquire(a, { timeout: 0 })).release()
    blocker.release()
    const set = await ours.acquireAll([b, a, b])
    expect(set.holds).toHaveLength(2)
    set.release()
  })

  test('releaseAll and holds speak of this client alone; after close() nothing is acquired', async () => {
    const [ours, theirs, name, other] = [await open(), await open(), fresh(), fresh()]
    const hold = await ours.acquire(name, { label: 'one' })
    const kept = await theirs.acquire(other)
    expect(ours.holds().map(({ path, label }) => [path, label])).toEqual([[name, 'one']])
    expect(ours.releaseAll('stop')).toBe(1)
    expect(hold.signal.reason).toMatchObject({ reason: 'released-all', cause: 'stop' })
    const wait = ours.acquire(other)
    await until('it waits', async () => (await theirs.inspect(other)).waiting === 1)
    const refused = expect(wait).rejects.toMatchObject({ code: 'ERR_LOCK_DATABASE' })
    await ours.close()
    await refused
    await expect(ours.acquire(name)).rejects.toMatchObject({ code: 'ERR_LOCK_DATABASE' })
    expect(kept.held).toBe(true)
    kept.release()
    const rows = await server.query(`select 1 from pg_stat_activity where application_name like 'holdfast:%'`)
    expect(rows.length).toBeLessThanOrEqual(2)
  })

  test('fencing numbers grow through hand-overs in one process and from client to client', async () => {
    const [ours, theirs, name] = [await open(), await open(), fresh()]
    const fences: number[] = []
    for (let round = 0; round < 3; round++) {
      for (const client of [ours, theirs]) {
        const lanes = Array.from({ length: 20 }, () => client.withLock(name, (hold) => fences.push(hold.fence ?? NaN)))
        await Promise.all(lanes)
      }
    }
    expect(fences).toEqual([...fences].sort((a, b) => a - b))
    expect(new Set(fences).size).toBe(120)
  })

  test('six locks that were won by waiting do not keep the seventh from being waited for', async () => {
    const [ours, theirs] = [await open(), await open()]
    const keys = Array.from({ length: 7 }, fresh)
    for (const mode of ['exclusive', 'shared'] as const) {
      const blockers = await Promise.all(keys.map((key) => theirs.acquire(key)))
      const waits = keys.map((key) => ours.acquire(key, { mode }))
      await mustStayBlocked(Promise.race(waits))
      for (const blocker of blockers) blocker.release()
      const holds = await Promise.all(waits)
      for (const [index, hold] of holds.entries()) {
        expect(hold.held).toBe(true)
        expect(await theirs.tryAcquire(keys[index] ?? '')).toBeNull()
      }
      const [sessions] = await server.query<{ count: string }>(
        `select count(*) from pg_stat_activity where application_name = 'holdfast:${(await import('node:os')).hostname()}:${process.pid}'`,
      )
      expect(Number(sessions?.count)).toBeLessThanOrEqual(10)
      for (const hold of holds) hold.release()
    }
    await until('nothing is left', async () => (await server.locks()) === 0)
  })

  test('a lock that moves to another session is open to nobody meanwhile', async () => {
    const [ours, theirs, others] = [await open(), await open(), await open()]
    const keys = Array.from({ length: 6 }, fresh)
    const holds = new Map<string, Hold>()
    const taken: string[] = []
    const barge = { on: true }
    const barging = (async () => {
      while (barge.on) {
        for (const key of keys) {
          const hold = await others.tryAcquire(key)
          if (hold !== null && holds.get(key)?.held === true) taken.push(key)
          hold?.release()
        }
      }
    })()
    for (let round = 0; round < 5; round++) {
      const blockers = await Promise.all(keys.map((key) => theirs.acquire(key)))
      const waits = keys.map(async (key) => holds.set(key, await ours.acquire(key)))
      await until('some wait', async () => (await theirs.inspect(keys[0] ?? '')).waiting > 0)
      for (const blocker of blockers) blocker.release()
      await Promise.all(waits)
      expect([...holds.values()].map(({ held }) => held)).toEqual(keys.map(() => true))
      for (const hold of holds.values()) hold.release()
      holds.clear()
    }
    barge.on = false
    await barging
    expect(taken).toEqual([])
  })

  test('nobody waits behind locks that he does not want, however many stand in line', async () => {
    const [ours, theirs] = [await open(), await open()]
    const keys = Array.from({ length: 5 }, fresh)
    const blockers = await Promise.all(keys.map((key) => theirs.acquire(key)))
    const waits = keys.map((key) => ours.acquire(key))
    await mustStayBlocked(Promise.race(waits))
    blockers[4]?.release()
    ;(await waits[4])?.release()
    for (const blocker of blockers) blocker.release()
    for (const hold of await Promise.all(waits)) hold.release()
  })
})
