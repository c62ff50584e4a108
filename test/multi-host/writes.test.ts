// The recipe of examples/multi-host: what a fence lets pass and what it refuses, on a real server.
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import { Owner } from 'holdfast'
import { openPostgres, type RemoteHoldfast } from 'holdfast/postgres'

import { fenced, FencedError, guarded, type Writing } from '../../examples/multi-host/src/fenced.js'
import { openPool } from '../../examples/multi-host/src/pool.js'
import { TABLES } from '../../examples/multi-host/src/schema.js'
import { readJson, updateJson } from '../../examples/multi-host/src/store.js'
import { append, readTranscript, type Line } from '../../examples/multi-host/src/transcript.js'
import { missing } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { PostgresServer, postgresServer } from '../postgres/server.js'

const skip = missing(postgresServer)
const PATIENCE = { every: 500, answer: 2000, server: 10_000 }

let server: PostgresServer
let pool: pg.Pool
beforeAll(async () => {
  if (skip) return
  server = await PostgresServer.start()
  pool = openPool(server.url, PATIENCE)
  await pool.query(TABLES)
})
afterAll(async () => {
  if (skip) return
  await pool.end()
  await server.stop()
})

let last = 0
let lock = ''
beforeEach(() => {
  lock = `session-${++last}`
})

const line = (id: string): Line => ({ id, body: { text: id } })
const write = (fence: number, ...ids: string[]) =>
  fenced(pool, { lock, fence }, (writing) => append(writing, lock, ids.map(line)))
const ids = async (): Promise<string[]> => (await readTranscript(pool, lock)).map(({ id }) => id)

/** A transaction that is open until it is told to end. */
function open(fence: number, write: (writing: Writing) => Promise<unknown> = () => Promise.resolve()) {
  let raised = (): void => {}
  let end = (): void => {}
  const begun = new Promise<void>((resolve) => (raised = resolve))
  const ending = new Promise<void>((resolve) => (end = resolve))
  const done = fenced(pool, { lock, fence }, async (writing) => {
    await write(writing)
    raised()
    await ending
  })
  return { begun, end, done }
}

/** A write stands at the row of its fence. */
async function standing(): Promise<boolean> {
  const text = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into fence%'`
  return (await server.query(text)).length === 1
}

async function locks(): Promise<RemoteHoldfast> {
  const opened = await openPostgres({ connection: server.url, namespace: 'test', heartbeat: PATIENCE })
  onTestFinished(() => opened.close())
  return opened
}

describe.skipIf(skip)('a fenced transaction', () => {
  test('is refused below a fence that has written, and leaves nothing in transcript or store', async () => {
    await write(32, 'a')
    const late = fenced(pool, { lock, fence: 16 }, async (writing) => {
      await append(writing, lock, [line('late')])
      await updateJson(writing, lock, () => 'late')
    })
    await expect(late).rejects.toThrow(FencedError)
    expect(await ids()).toEqual(['a'])
    expect(await readJson(pool, lock)).toBeNull()
    await write(32, 'b')
    await write(48, 'c')
    expect(await ids()).toEqual(['a', 'b', 'c'])
  })

  test('of one lock says nothing about another', async () => {
    await write(32, 'a')
    const other = `${lock}-other`
    await fenced(pool, { lock: other, fence: 16 }, (writing) => append(writing, other, [line('b')]))
    expect((await readTranscript(pool, other)).map(({ id }) => id)).toEqual(['b'])
  })

  test('keeps smaller fences out from its first statement on', async () => {
    const larger = open(32)
    await larger.begun
    const smaller = write(16, 'late')
    smaller.catch(() => {})
    await mustStayBlocked(smaller)
    larger.end()
    await larger.done
    await expect(smaller).rejects.toThrow(FencedError)
    expect(await ids()).toEqual([])
  })

  test.each(['read committed', 'repeatable read', 'serializable'])(
    'that is under way is waited for by a larger fence, which sees all of it, where the default is %s',
    async (isolation) => {
      await server.query(`alter database postgres set default_transaction_isolation = '${isolation}'`)
      onTestFinished(async () => {
        await server.query('alter database postgres reset default_transaction_isolation')
      })
      const own = openPool(server.url, PATIENCE)
      onTestFinished(() => own.end())
      const smaller = open(16, async (writing) => {
        await append(writing, lock, [line('a')])
        await updateJson(writing, lock, () => 1)
      })
      await smaller.begun
      const larger = fenced(own, { lock, fence: 32 }, async (writing) => {
        await append(writing, lock, [line('b')])
        return await updateJson(writing, lock, (value) => Number(value) + 1)
      })
      larger.catch(() => {})
      await mustStayBlocked(larger)
      smaller.end()
      await smaller.done
      expect(await larger).toBe(2)
      expect(await ids()).toEqual(['a', 'b'])
    },
  )

  test('in which a statement failed unnoticed is not taken for committed', async () => {
    const careless = fenced(pool, { lock, fence: 16 }, async (writing) => {
      await append(writing, lock, [line('a')])
      await writing.client.query('select 1 / 0').catch(() => {})
    })
    await expect(careless).rejects.toThrow('rolled back')
    expect(await ids()).toEqual([])
  })

  test('leaves the pool as it was, however it ends', async () => {
    for (let round = 0; round < 20; round++) {
      await write(32 + round, `line-${round}`)
      await expect(write(16, 'late')).rejects.toThrow(FencedError)
    }
    expect(pool.totalCount - pool.idleCount).toBe(0)
    expect(pool.waitingCount).toBe(0)
  })
})

describe.skipIf(skip)('lines', () => {
  test('that are written again are found where they are, and new ones follow them', async () => {
    const first = await write(16, 'a', 'b')
    expect(first).toEqual([
      { id: 'a', seq: 1, added: true },
      { id: 'b', seq: 2, added: true },
    ])
    expect(await write(32, 'b', 'c', 'a', 'd')).toEqual([
      { id: 'a', seq: 1, added: false },
      { id: 'b', seq: 2, added: false },
      { id: 'c', seq: 3, added: true },
      { id: 'd', seq: 4, added: true },
    ])
    expect(await ids()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('of one call may not share an id, and then none of them is written', async () => {
    await expect(write(16, 'a', 'b', 'a')).rejects.toMatchObject({ code: '23505' })
    expect(await ids()).toEqual([])
  })

  test('come back as they were', async () => {
    const bodies = [null, 0.1, 'a "quoted" \\ \n\u0000\ud800 ü', [1, [2]], { a: { b: [] } }]
    const lines = bodies.map((body, index) => ({ id: String(index), body }))
    await fenced(pool, { lock, fence: 16 }, (writing) => append(writing, lock, lines))
    expect((await readTranscript(pool, lock)).map(({ body }) => body)).toEqual(bodies)
  })
})

describe.skipIf(skip)('a guarded write', () => {
  test('goes under the hold of a lock of the same name', async () => {
    await (
      await locks()
    ).withLock(lock, (hold) => guarded(pool, hold, (writing) => append(writing, hold.path, [line('a')])))
    expect(await ids()).toEqual(['a'])
  })

  test('is refused without a word to the database when the hold is over, and under a shared hold', async () => {
    const opened = await locks()
    const hold = await opened.acquire(lock)
    hold.release()
    await expect(guarded(pool, hold, () => Promise.reject(new Error('called')))).rejects.toMatchObject({
      code: 'ERR_LOCK_LOST',
    })
    const shared = await opened.acquire(lock, { mode: 'shared' })
    await expect(guarded(pool, shared, () => Promise.reject(new Error('called')))).rejects.toThrow(TypeError)
    shared.release()
  })

  test('that is under way when its owner is closed is finished, and the lock is kept until then', async () => {
    const opened = await locks()
    const owner = new Owner('lane')
    const hold = await opened.acquire(lock, { owner })
    const before = open(1) // so that the write stands at the database
    await before.begun
    const writing = guarded(pool, hold, (writing) => append(writing, lock, [line('a')]))
    await until('it stands there', standing)
    owner.close()
    const next = (await locks()).acquire(lock)
    await mustStayBlocked(Promise.race([writing, next]))
    expect(hold.held).toBe(false)
    before.end()
    await before.done
    expect(await writing).toEqual([{ id: 'a', seq: 1, added: true }])
    ;(await next).release()
  })

  test('that is under way when the hold is lost is cut, rejects as lost, and writes nothing', async () => {
    const opened = await openPostgres({ connection: server.url, namespace: 'test', application: 'victim' })
    onTestFinished(() => opened.close())
    const hold = await opened.acquire(lock)
    const before = open(1) // so that the write stands at the database
    await before.begun
    const writing = guarded(pool, hold, (writing) => append(writing, lock, [line('a')]))
    const rejected = expect(writing).rejects.toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'connection' })
    await until('it stands there', standing)
    await server.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'`)
    await rejected
    before.end()
    await before.done
    await until('its transaction is over', async () => {
      const [row] = await server.query<{ count: string }>(
        `select count(*) from pg_stat_activity where xact_start is not null and pid <> pg_backend_pid()
         and backend_type = 'client backend'`,
      )
      return row?.count === '0'
    })
    expect(await ids()).toEqual([])
  })
})

test.skipIf(skip)('a connection for the data is given up by the server as soon as one of the locks', async () => {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings where name in ('idle_in_transaction_session_timeout', 'tcp_user_timeout') order by 1`,
  )
  expect(rows).toEqual([
    { name: 'idle_in_transaction_session_timeout', setting: String(PATIENCE.server) },
    { name: 'tcp_user_timeout', setting: String(PATIENCE.server) },
  ])
})
