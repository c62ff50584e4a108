// Users, databases and settings that are not as usual: locks work there, or opening is refused and says what to do about it.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import {
  openPostgres,
  pgAdapter,
  type PostgresAdapter,
  type PostgresConnection,
  type PostgresOptions,
  type RemoteHoldfast,
} from '../../src/postgres.js'
import { missing } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
const PASSWORD = 'correct-horse-battery'
let server: PostgresServer
beforeAll(async () => {
  if (skip) return
  server = await PostgresServer.start()
  const hba = join(server.folder, 'data', 'pg_hba.conf')
  const rules = readFileSync(hba)
  writeFileSync(hba, 'host all guarded 127.0.0.1/32 scram-sha-256\n')
  appendFileSync(hba, rules)
  await server.query('select pg_reload_conf()')
  await server.query(`create role guarded login password '${PASSWORD}'`)
})
afterAll(async () => {
  if (!skip) await server.stop()
})

const as = (user: string): string => server.url.replace('holdfast@', `${user}@`)

async function open(url: string, options: Partial<PostgresOptions> = {}): Promise<RemoteHoldfast> {
  const remote = await openPostgres({ adapter: pgAdapter(url), namespace: 'test', ...options })
  onTestFinished(() => remote.close())
  return remote
}

/** A role that may use the sequence, with settings of its own. */
async function role(name: string, ...settings: string[]): Promise<string> {
  await open(server.url) // which makes the sequence
  await server.query(`create role ${name} login`)
  await server.query(`grant usage on sequence public.holdfast_fence to ${name}`)
  for (const setting of settings) await server.query(`alter role ${name} ${setting}`)
  return as(name)
}

/** Every connection that is made through it. */
function watched(adapter: PostgresAdapter): PostgresAdapter & { readonly connections: PostgresConnection[] } {
  const connections: PostgresConnection[] = []
  return {
    connections,
    async connect(ended, signal) {
      const connection = await adapter.connect(ended, signal)
      connections.push(connection)
      return connection
    },
  }
}

async function waitsAndGetsIt(ours: RemoteHoldfast, name: string): Promise<void> {
  const theirs = await open(server.url)
  const hold = await theirs.acquire(name)
  const waiting = ours.acquire(name)
  await until('it waits', async () => (await theirs.inspect(name)).waiting === 1)
  await mustStayBlocked(waiting)
  hold.release()
  const granted = await waiting
  expect(await theirs.tryAcquire(name)).toBeNull()
  expect(granted.fence).toBeGreaterThan(hold.fence ?? Infinity)
  granted.release()
}

describe.skipIf(skip)('a session', () => {
  test('has its settings whatever those of the user are, the one that waits as well', async () => {
    const known = new Set(
      (await server.query<{ name: string }>('select name from pg_settings')).map(({ name }) => name),
    )
    const limits = [
      'statement_timeout',
      'lock_timeout',
      'idle_session_timeout',
      'idle_in_transaction_session_timeout',
      'transaction_timeout',
    ].filter((limit) => known.has(limit))
    const url = await role(
      'hasty',
      ...limits.map((limit) => `set ${limit} = '30ms'`),
      'set default_transaction_read_only = on',
      'set standard_conforming_strings = off',
      'set synchronous_commit = off',
      `set search_path = ''`,
      `set tcp_user_timeout = '1s'`,
    )
    const adapter = watched(pgAdapter(url))
    const ours = await openPostgres({ adapter, namespace: 'test', application: `it's \\ hasty` })
    onTestFinished(() => ours.close())
    await waitsAndGetsIt(ours, 'hasty')
    expect(adapter.connections).toHaveLength(2)
    for (const connection of adapter.connections) {
      const rows = await connection.query(`select name, setting from pg_settings`)
      const settings: Record<string, unknown> = {}
      for (const { name, setting } of rows) settings[String(name)] = setting
      for (const limit of limits) expect([limit, settings[limit]]).toEqual([limit, '0'])
      expect(settings).toMatchObject({
        application_name: `it's \\ hasty`,
        tcp_user_timeout: '15000',
        tcp_keepalives_idle: '5',
        tcp_keepalives_interval: '3',
        tcp_keepalives_count: '4',
        ...(known.has('client_connection_check_interval') ? { client_connection_check_interval: '1000' } : {}),
        default_transaction_read_only: 'off',
        synchronous_commit: 'local',
      })
    }
  })

  test('whose user acts as another one, and so may not see it, waits, and is canceled, all the same', async () => {
    await server.query('create role acted nologin')
    const url = await role('actor', 'set role = acted')
    await server.query('grant acted to actor')
    await server.query('grant usage on sequence public.holdfast_fence to acted')
    const heartbeat = { every: 20, answer: 400, server: 1500 }
    const ours = await open(url, { heartbeat, application: 'actor' })
    const pids = (): Promise<object[]> =>
      server.query(`select pid from pg_stat_activity where usename = 'actor' order by 1`)
    const theirs = await open(server.url)
    const hold = await theirs.acquire('acted')
    const controller = new AbortController()
    const wait = ours.acquire('acted', { signal: controller.signal })
    await until('it waits', async () => (await theirs.inspect('acted')).waiting === 1)
    const before = await pids()
    await mustStayBlocked(wait) // some signs of life of the holder session
    expect(await pids()).toEqual(before)
    controller.abort('enough')
    expect(await wait.catch((reason: unknown) => reason)).toBe('enough')
    await until('it waits no more', async () => (await theirs.inspect('acted')).waiting === 0)
    hold.release()
    await waitsAndGetsIt(ours, 'acted')
  })

  test('of a user who may see nobody tells who holds a lock, as far as the server does', async () => {
    const ours = await open(await role('plain'))
    const hold = await (await open(server.url)).acquire('seen')
    const [holder] = (await ours.inspect('seen')).holders
    expect(holder).toMatchObject({ mode: 'exclusive', pid: process.pid, address: null, connected: null })
    const error: unknown = await ours.acquire('seen', { timeout: 30 }).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', holder: { pid: process.pid } })
    hold.release()
  })

  test('in a database of another encoding takes names, and a name of its own, of any characters', async () => {
    await server.query(`create database latin encoding 'LATIN1' locale 'C' template template0`)
    const url = server.url.replace(/postgres$/, 'latin')
    const [ours, theirs] = [await open(url, { application: 'ホスト:🔒\n' }), await open(url)]
    for (const name of [`it's`, '"; drop table x; --', 'a\nb', '日本 🔒', '\\', ' ', 'x'.repeat(100_000), '\ud800']) {
      const hold = await ours.acquire(name)
      expect(hold.path).toBe(name)
      expect(await theirs.tryAcquire(name)).toBeNull()
      const error: unknown = await theirs.acquire(name, { timeout: 1 }).catch((error: unknown) => error)
      expect(error).toMatchObject({ code: 'ERR_LOCK_TIMEOUT', path: name })
      expect(String(error)).not.toMatch(/[\n\r]/)
      hold.release()
    }
    expect((await theirs.inspect(' ')).state).toBeDefined()
  })
})

describe.skipIf(skip)('a sequence of fencing numbers', () => {
  const opening = (sequence: string): Promise<unknown> =>
    open(server.url, { sequence }).then(
      (remote) => remote.acquire('fenced').then((hold) => hold.fence),
      (error: unknown) => error,
    )

  test('that does not grow for everybody, for ever, is refused, and the refusal says what to do', async () => {
    const refused = { code: 'ERR_LOCK_DATABASE' }
    for (const [name, definition, advice] of [
      ['ahead', 'cache 20', 'alter sequence ahead cache 1'],
      ['around', 'maxvalue 100 cycle', 'alter sequence around no cycle'],
      ['down', 'increment by -1', 'does not grow'],
    ] as const) {
      await server.query(`create sequence ${name} ${definition}`)
      const error = await opening(name)
      expect(error).toMatchObject({ ...refused, message: expect.stringContaining(advice) as string })
    }
    await server.query('alter sequence ahead cache 1')
    expect(await opening('ahead')).toBe(1)
    const [version] = await server.query<{ number: string }>(`select current_setting('server_version_num') as number`)
    if (Number(version?.number) >= 150_000) {
      await server.query('create unlogged sequence forgetful')
      expect(await opening('forgetful')).toMatchObject({
        ...refused,
        message: expect.stringContaining('unlogged') as string,
      })
    }
  })

  test('that is there but may not be used is refused when it is opened, not at the first lock', async () => {
    await open(server.url)
    await server.query('create role barred login')
    const error: unknown = await openPostgres({ connection: as('barred'), namespace: 'test' }).catch((e: unknown) => e)
    const advice = 'grant usage on sequence public.holdfast_fence to'
    expect(error).toMatchObject({ code: 'ERR_LOCK_DATABASE', message: expect.stringContaining(advice) as string })
  })

  test('at its end is an error of the request, and the lock is free', async () => {
    await server.query('create sequence short maxvalue 2')
    const remote = await open(server.url, { sequence: 'short' })
    for (const fence of [1, 2]) {
      const hold = await remote.acquire('short')
      expect(hold.fence).toBe(fence)
      hold.release()
      await remote.flush()
    }
    await expect(remote.acquire('short')).rejects.toMatchObject({ code: 'ERR_LOCK_DATABASE', cause: { code: '2200H' } })
    expect(await remote.inspect('short')).toMatchObject({ state: 'free', waiting: 0 })
  })
})

describe.skipIf(skip).each(adapters)('with $name', ({ adapter }) => {
  const refusal = async (url: string): Promise<unknown> => {
    const opening = (async () => await openPostgres({ adapter: adapter(url), namespace: 'test' }))()
    return await opening.then(
      (remote) => remote.close().then(() => 'opened'),
      (error: unknown) => error,
    )
  }

  test('a server that lets nobody in is an error with its cause, and no password is in it', async () => {
    const wrong = 'wrong-horse'
    for (const [url, code] of [
      [as(`guarded:${wrong}`), '28P01'],
      [as('nobody-there'), '28000'],
      [server.url.replace(/postgres$/, 'no_such_database'), '3D000'],
      [server.url.replace('127.0.0.1', `guarded:${wrong}@127.0.0.1`).replace('holdfast@', ''), '28P01'],
    ] as const) {
      const error = await refusal(url)
      expect(error).toMatchObject({ code: 'ERR_LOCK_DATABASE', cause: { code } })
      expect(inspect(error, { depth: 10 })).not.toContain(wrong)
    }
    expect(await refusal(as(`guarded:${PASSWORD}`))).toMatchObject({ code: 'ERR_LOCK_DATABASE' }) // it may not use the sequence
    expect(inspect(await refusal(as(`guarded:${PASSWORD}`)), { depth: 10 })).not.toContain(PASSWORD)
  })

  test('an address that is none, and a server that does not encrypt, are errors without the password', async () => {
    for (const url of [`postgres://me:${PASSWORD}@[::bad/x`, `${as(`me:${PASSWORD}`)}?ssl=true`]) {
      const error = await refusal(url)
      expect(error).toMatchObject({ code: 'ERR_LOCK_DATABASE' })
      expect(inspect(error, { depth: 10 })).not.toContain(PASSWORD)
    }
  })
})
