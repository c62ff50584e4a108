// What a hold is on a database, beyond its lock: when the database has let go of it, guards, owners, leaks, events, deadlocks.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { Owner, type Hold } from '../../src/index.js'
import { openPostgres, pgAdapter, type PostgresAdapter, type RemoteHoldfast } from '../../src/postgres.js'
import { halves, keyOf } from '../../src/postgres/key.js'
import { collectStats } from '../../src/stats.js'
import { missing } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { PostgresServer, postgresServer } from './server.js'
import { StallingProxy } from './stalling-proxy.js'

const skip = missing(postgresServer)
const SLOW = 50
let server: PostgresServer
let raw: pg.Client
beforeAll(async () => {
  if (skip) return
  server = await PostgresServer.start()
  raw = new pg.Client(server.url)
  await raw.connect()
})
afterAll(async () => {
  if (skip) return
  await raw.end()
  await server.stop()
})

let names = 0
const fresh = (): string => `name-${++names}`

async function open(adapter: PostgresAdapter = pgAdapter(server.url), application = 'ours'): Promise<RemoteHoldfast> {
  const remote = await openPostgres({ adapter, namespace: 'test', application })
  onTestFinished(() => remote.close())
  return remote
}

/** Whatever lets go of a lock is said late. */
function slow(): PostgresAdapter {
  const adapter = pgAdapter(server.url)
  return {
    async connect(ended, signal) {
      const connection = await adapter.connect(ended, signal)
      return {
        processId: connection.processId,
        async query(text) {
          if (text.startsWith('execute unlock')) await new Promise((resolve) => setTimeout(resolve, SLOW))
          return await connection.query(text)
        },
        end: () => connection.end(),
        destroy: () => connection.destroy(),
      }
    },
  }
}

/** Whether somebody who does not use this package finds it free. */
async function isFree(name: string): Promise<boolean> {
  const { lock } = keyOf('test', name)
  const { rows } = await raw.query<{ free: boolean }>(`select pg_try_advisory_lock(${lock}) as free`)
  if (rows[0]?.free === true) await raw.query(`select pg_advisory_unlock(${lock})`)
  return rows[0]?.free === true
}

/** Releases `other` when somebody waits for it; resolves to the hold of who did. */
async function won(remote: RemoteHoldfast, name: string, by: RemoteHoldfast): Promise<Hold> {
  const other = await by.acquire(name)
  const wait = remote.acquire(name)
  await until('it waits', async () => (await by.inspect(name)).waiting === 1)
  other.release()
  return await wait
}

test.skipIf(skip)(
  'flush() resolves when the database has let go of all that was released, in every session',
  async () => {
    const [ours, theirs, name, other, mode] = [await open(slow()), await open(), fresh(), fresh(), 'shared'] as const
    const shared = fresh()
    const holds = [await ours.acquire(name), await won(ours, other, theirs), await ours.acquire(shared, { mode })]
    const kept = await ours.acquire(fresh())
    for (const hold of holds) hold.release()
    expect([await isFree(name), await isFree(other)]).toEqual([false, false])
    await ours.flush()
    for (const hold of holds) expect(await isFree(hold.path)).toBe(true)
    expect([await isFree(kept.path), kept.held]).toEqual([false, true])
    kept.release()
  },
)

test.skipIf(skip)('withLock() settles when its release is on its way; flush() says when it has come', async () => {
  const [ours, name] = [await open(slow()), fresh()]
  expect(await ours.withLock(name, () => 'done')).toBe('done')
  expect(await isFree(name)).toBe(false)
  await ours.flush()
  expect(await isFree(name)).toBe(true)
  const failed = ours.withLock(name, () => Promise.reject(new Error('section')))
  await expect(failed).rejects.toThrow('section')
  await ours.flush()
  expect(await isFree(name)).toBe(true)
})

test.skipIf(skip)('flush() waits for no lock that is held or handed over here, and for no guard', async () => {
  const [ours, a, b] = [await open(slow()), fresh(), fresh()]
  const [first, guarded] = [await ours.acquire(a), await ours.acquire(b)]
  const next = ours.acquire(a)
  let leave = (): void => {}
  const guard = guarded.guard(() => new Promise<void>((resolve) => (leave = resolve)))
  first.release()
  guarded.release()
  await ours.flush()
  expect((await next).held).toBe(true)
  expect(await isFree(b)).toBe(false)
  leave()
  await guard
  await ours.flush()
  expect(await isFree(b)).toBe(true)
  ours.releaseAll()
})

test.skipIf(skip)('flush() knows of what was released while the event loop was owed a turn', async () => {
  const [ours, name] = [await open(slow()), fresh()]
  const owner = new Owner('lane')
  const [hold] = [await ours.acquire(name), await ours.acquire(fresh(), { owner })]
  const { path: again } = ours.holds()[1] ?? { path: '' }
  const next = ours.acquire(name, { mode: 'shared' }) // which an exclusive hold is not handed over to
  for (let entry = 0; entry < 20; entry++) void ours.acquire(again, { owner })
  await Promise.resolve()
  hold.release()
  await ours.flush()
  const { rows } = await raw.query<{ mode: string }>(
    `select l.mode from pg_locks l join pg_stat_activity a using (pid) where locktype = 'advisory' and granted
      and application_name = 'ours' and objid = ${halves(keyOf('test', name).lock).objid}`,
  )
  expect(rows.map(({ mode }) => mode)).not.toContain('ExclusiveLock')
  ;(await next).release()
  owner.close()
})

test.skipIf(skip)('flush() does not reject when the session is lost', async () => {
  const proxy = await StallingProxy.start(server.port)
  const heartbeat = { every: 50, answer: 150, server: 1500 }
  const ours = await openPostgres({ connection: proxy.url(server.url), namespace: 'test', heartbeat })
  onTestFinished(() => ours.close())
  const hold = await ours.acquire(fresh())
  proxy.stall()
  hold.release()
  await ours.flush()
  proxy.stop()
  await until('the server has noticed', () => isFree(hold.path))
})

test.skipIf(skip)(
  'an open guard keeps the lock from everything that ends a hold but the end of its connection',
  async () => {
    const [ours, theirs] = [await open(pgAdapter(server.url), 'victim'), await open()]
    const owner = new Owner('lane')
    const ends: ((hold: Hold) => unknown)[] = [
      (hold) => hold.release(),
      () => ours.releaseAll(),
      () => owner.close(),
      (hold) => until('it is over', () => !hold.held),
    ]
    for (const end of ends) {
      const hold = await ours.acquire(fresh(), owner.closed ? { maxHold: 20 } : { owner })
      let leave = (): void => {}
      const guard = hold.guard(() => new Promise<string>((resolve) => (leave = () => resolve('done'))))
      await end(hold)
      expect(hold.held).toBe(false)
      await mustStayBlocked(theirs.acquire(hold.path, { timeout: Infinity }).then((next) => next.release()))
      leave()
      expect(await guard).toBe('done')
      await until('it is free', async () => (await theirs.inspect(hold.path)).state === 'free')
    }
    const hold = await ours.acquire(fresh())
    const { signal } = hold
    const guard = hold.guard(
      () => new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason as unknown))),
    )
    await server.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'`)
    expect(await guard).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'connection' })
    ;(await theirs.acquire(hold.path)).release()
  },
)

test.skipIf(skip)(
  'a shared hold of an owner does not become an exclusive one, and the other way round it enters',
  async () => {
    const [ours, theirs, name] = [await open(), await open(), fresh()]
    const owner = new Owner('lane')
    const shared = await ours.acquire(name, { owner, mode: 'shared' })
    const refused = { code: 'ERR_LOCK_DEADLOCK' }
    await expect(ours.acquire(name, { owner })).rejects.toMatchObject(refused)
    await expect(ours.acquire(name, { owner, timeout: 0 })).rejects.toMatchObject(refused)
    expect(await ours.tryAcquire(name, { owner })).toBeNull()
    expect(shared.held).toBe(true)
    shared.release()
    const outer = await ours.acquire(name, { owner })
    const inner = await ours.acquire(name, { owner, mode: 'shared' })
    outer.release()
    expect(await theirs.tryAcquire(name, { mode: 'shared' })).toBeNull()
    inner.release()
    await ours.flush()
    expect(await isFree(name)).toBe(true)
  },
)

test.skipIf(skip)(
  'a circle through two processes is seen by nobody: it ends with a time-out, which leaves nothing',
  async () => {
    const [ours, theirs, a, b] = [await open(), await open(), fresh(), fresh()]
    const [first, second] = [await ours.acquire(a), await theirs.acquire(b)]
    const long = theirs.acquire(a)
    await until('one waits', async () => (await ours.inspect(a)).waiting === 1)
    // Longer than the server waits until it looks for a deadlock (deadlock_timeout).
    await expect(ours.acquire(b, { timeout: 1300 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    expect(await ours.inspect(b)).toMatchObject({ state: 'held', waiting: 0 })
    first.release()
    ;(await long).release()
    second.release()
    await Promise.all([ours.flush(), theirs.flush()])
    expect([await isFree(a), await isFree(b)]).toEqual([true, true])
  },
)

test.skipIf(skip)(
  'who take several locks at once do not wait for each other in a circle, whatever order they name',
  async () => {
    const clients = await Promise.all([open(), open()])
    const keys = Array.from({ length: 4 }, fresh)
    const rounds = clients.map(async (client, index) => {
      for (let round = 0; round < 25; round++) {
        const set = await client.acquireAll(index === 0 ? keys : [...keys].reverse(), { timeout: 20_000 })
        expect(set.held).toBe(true)
        set.release()
      }
    })
    await Promise.all(rounds)
    await Promise.all(clients.map((client) => client.flush()))
    for (const key of keys) expect(await isFree(key)).toBe(true)
  },
)

/** What is told on a channel while the test runs. */
function heard(name: string): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = []
  const hear = (message: unknown): void => {
    found.push({ ...(message as object) })
  }
  subscribe(name, hear)
  onTestFinished(() => {
    unsubscribe(name, hear)
  })
  return found
}

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

test.skipIf(skip)(
  'a hold that nobody can reach any more is let go of, and told of; one to be kept is not',
  async () => {
    const [ours, lost, kept] = [await open(), fresh(), fresh()]
    const leaks = heard('holdfast:leak')
    const forget = async (): Promise<void> => {
      await ours.acquire(lost, { label: 'lost' })
      await ours.acquire(kept, { keep: true })
      const hold = await ours.tryAcquire(fresh())
      await hold?.guard(() => {})
    }
    await forget()
    await until('both leaks are found', () => {
      collectGarbage()
      return leaks.length === 2
    })
    await ours.flush()
    expect(leaks.map(({ path, label }) => [path, label])).toContainEqual([lost, 'lost'])
    expect([await isFree(lost), await isFree(kept)]).toEqual([true, false])
    expect(ours.holds().map(({ path }) => path)).toEqual([kept])
    expect(ours.releaseAll()).toBe(1)
  },
)

test.skipIf(skip)('what happens is told on the channels of the package, with names in the place of paths', async () => {
  const [ours, theirs, name] = [await open(pgAdapter(server.url), 'told'), await open(), fresh()]
  const [begun, released, revoked] = ['hold', 'release', 'revoke'].map((one) => heard(`holdfast:${one}`))
  const asked = heard('tracing:holdfast:acquire:asyncEnd')
  const about = { path: name, lockfile: `postgres:test:${name}`, mode: 'exclusive' }
  const first = await ours.acquire(name, { label: 'first' })
  first.release()
  const second = await won(ours, name, theirs)
  await server.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'told'`)
  await until('it is lost', () => second.signal.aborted)
  const busy = await theirs.acquire(name)
  await expect(ours.acquire(name, { timeout: 20 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  busy.release()
  expect(begun?.[0]).toMatchObject({ ...about, label: 'first', fence: first.fence, reentered: false })
  expect(released?.[0]).toMatchObject({ ...about, label: 'first', fence: first.fence })
  expect(revoked).toMatchObject([{ ...about, fence: second.fence, reason: 'connection', guards: 0 }])
  expect(asked.map(({ outcome }) => outcome)).toEqual(['granted', 'granted', 'granted', 'granted', 'timeout'])
})

test.skipIf(skip)('holdfast/stats counts what happens to locks of a database as it does for files', async () => {
  const [ours, theirs, name] = [await open(), await open(), fresh()]
  using collector = collectStats()
  const hold = await ours.acquire(name)
  await expect(theirs.acquire(name, { timeout: 20 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  hold.release()
  ;(await won(theirs, name, ours)).release()
  const [file] = collector.snapshot().files
  const counted = { acquired: 3, released: 3, timeouts: 1, waiting: 0 }
  expect(file).toMatchObject({ lockfile: `postgres:test:${name}`, ...counted })
})
