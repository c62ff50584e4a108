// What is refused when the engine is opened, and what a full lock table or two names of one key lead to.
import { spawn, spawnSync } from 'node:child_process'
import { Hash, type BinaryLike } from 'node:crypto'
import { chownSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'

import { isLockError, type Hold } from '../../src/index.js'
import { openPostgres, type PostgresOptions } from '../../src/postgres.js'
import { refuseUnfitServer, heartbeatOf, serverSettings } from '../../src/postgres/settings.js'
import { missing, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { baseBackup, PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start('max_locks_per_transaction=10', 'max_connections=20')
})
afterAll(async () => {
  if (!skip) await server.stop()
})

async function failure(promise: Promise<unknown>): Promise<{ code?: unknown; message: string }> {
  const error: unknown = await promise.then(
    () => new Error('was not refused'),
    (error: unknown) => error,
  )
  if (error instanceof Error) return error
  throw error
}

describe('the numbers of the heartbeat', () => {
  test('are refused, and named, where the server could free a lock before its holder knows', () => {
    expect(() => heartbeatOf({ every: 5000, answer: 9000, server: 15_000 })).toThrow(
      'heartbeat.every 5000 + heartbeat.answer 9000 + 1000 ms of margin must be less than heartbeat.server 15000',
    )
    expect(heartbeatOf({ every: 5000, answer: 8999, server: 15_000 }).bound).toBe(13_999)
  })

  test('are compared with what the server says that it will do', () => {
    const heartbeat = heartbeatOf(undefined)
    const fits = { userTimeout: 15_000, idle: 5, interval: 3, count: 4 }
    const refuse = (patience: object) => () => refuseUnfitServer(heartbeat, { ...fits, ...patience })
    expect(refuse({})).not.toThrow()
    expect(refuse({ userTimeout: 0, idle: 0, interval: 0, count: 0 })).not.toThrow()
    expect(refuse({ userTimeout: 11_000 })).toThrow('tcp_user_timeout of 11000 ms')
    expect(refuse({ count: 2 })).toThrow('keepalives, 5 s + 2 × 3 s')
  })

  test('make keepalives that last as long as the server is to be patient', () => {
    for (const seconds of [2, 3, 7, 15, 60, 601]) {
      const settings = serverSettings(heartbeatOf({ every: 100, answer: 200, server: seconds * 1000 }))
      const [idle, interval, count] = ['idle', 'interval', 'count'].map((name) =>
        Number(settings[`tcp_keepalives_${name}`]),
      )
      expect((idle ?? 0) + (interval ?? 0) * (count ?? 0)).toBeGreaterThanOrEqual(seconds)
    }
  })
})

describe.skipIf(skip).each(adapters)('with $name', ({ adapter }) => {
  const options = (url = server.url): PostgresOptions => ({ adapter: adapter(url), namespace: 'test' })

  test('a full lock table is an error of its own, and the lock is not left half taken', async () => {
    const remote = await openPostgres(options())
    onTestFinished(() => remote.close())
    const holds: Hold[] = []
    const error = await failure(
      (async () => {
        for (let index = 0; index < 5000; index++) holds.push(await remote.acquire(`key-${index}`))
      })(),
    )
    expect(error).toMatchObject({ code: 'ERR_LOCK_EXHAUSTED', cause: { code: '53200' } })
    expect(holds.every(({ held }) => held)).toBe(true)
    holds[0]?.release()
    ;(await remote.acquire(`key-${holds.length}`)).release()
    remote.releaseAll()
    await until('nothing is left', async () => (await server.locks().catch(() => -1)) === 0)
  })

  test('of many requests at one time that a lock table has no room for, those get their locks that can', async () => {
    const remote = await openPostgres(options())
    onTestFinished(() => remote.close())
    const names = Array.from({ length: 1500 }, (_, index) => `crowd-${index}`)
    const results = await Promise.allSettled(names.map((name) => remote.acquire(name)))
    const refused = results.filter(({ status }) => status === 'rejected')
    for (const { reason } of refused.filter((one) => one.status === 'rejected')) {
      expect(reason).toMatchObject({ code: 'ERR_LOCK_EXHAUSTED' })
    }
    expect(refused.length).toBeGreaterThan(0)
    expect(remote.releaseAll()).toBe(results.length - refused.length)
    await until('nothing is left', async () => (await server.locks().catch(() => -1)) === 0)
  })

  test('two names of one key are told of, and the one that is in use is not harmed', async () => {
    const remote = await openPostgres(options())
    onTestFinished(() => remote.close())
    giveOneKey(['same one', 'same other'])
    const hold = await remote.acquire('same one')
    const error = await failure(remote.acquire('same other'))
    expect(error).toMatchObject({ code: 'ERR_LOCK_COLLISION' })
    expect(error.message).toContain('"same other" and "same one"')
    expect(isLockError(await failure(remote.tryAcquire('same other')), 'ERR_LOCK_COLLISION')).toBe(true)
    expect(hold.held).toBe(true)
    hold.release()
    ;(await remote.acquire('same other')).release()
  })

  test('a server that cannot be reached is an error with its cause', async () => {
    const error = await failure(openPostgres(options('postgres://holdfast@127.0.0.1:1/postgres')))
    expect(error).toMatchObject({ code: 'ERR_LOCK_DATABASE', cause: { code: 'ECONNREFUSED' } })
  })

  test('a server that says nothing is given up', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void silent.close())
    const address = silent.address()
    const url = `postgres://holdfast@127.0.0.1:${typeof address === 'object' ? address?.port : ''}/postgres`
    const heartbeat = { every: 100, answer: 100, server: 1500 }
    const error = await failure(openPostgres({ ...options(url), heartbeat }))
    expect(error.message).toContain('no connection within 200 ms')
  })

  test.skipIf(missing(program('pgbouncer')))(
    'a pool in front of the server is refused, unless it is one of sessions',
    async () => {
      const transactions = await pgbouncer('transaction')
      expect(await failure(openPostgres(options(transactions)))).toMatchObject({ code: 'ERR_LOCK_UNSUPPORTED' })
      const acknowledged = await failure(openPostgres({ ...options(transactions), pooler: 'session' }))
      expect(acknowledged).toMatchObject({ code: 'ERR_LOCK_UNSUPPORTED' })
      const sessions = await pgbouncer('session')
      expect(await failure(openPostgres(options(sessions)))).toMatchObject({ code: 'ERR_LOCK_UNSUPPORTED' })
      const [ours, theirs] = await Promise.all(
        [1, 2].map(() => openPostgres({ ...options(sessions), pooler: 'session' })),
      )
      onTestFinished(() => ours?.close())
      onTestFinished(() => theirs?.close())
      const hold = await ours?.acquire('pooled')
      expect(await theirs?.tryAcquire('pooled')).toBeNull()
      hold?.release()
      ;(await theirs?.acquire('pooled'))?.release()
    },
  )
})

test.skipIf(skip || missing(baseBackup))('a standby is refused', async () => {
  const primary = await PostgresServer.start('wal_level=replica', 'max_wal_senders=4')
  onTestFinished(() => primary.stop())
  const standby = await primary.standby()
  onTestFinished(() => standby.stop())
  const error = await failure(openPostgres({ connection: standby.url, namespace: 'test' }))
  expect(error).toMatchObject({ code: 'ERR_LOCK_UNSUPPORTED' })
  expect(error.message).toContain('standby')
})

test.skipIf(skip)('a user that may not make the sequence is told what to have done', async () => {
  await server.query(`create role plain login; revoke create on schema public from public`) // as it is from version 15 on
  const url = server.url.replace('holdfast@', 'plain@')
  const error = await failure(openPostgres({ connection: url, namespace: 'test', sequence: 'public.not_there' }))
  expect(error.message).toContain('create sequence if not exists public.not_there')
  await server.query(`create sequence if not exists public.not_there as bigint increment by 16`)
  await server.query(`grant usage on sequence public.not_there to plain`)
  const remote = await openPostgres({ connection: url, namespace: 'test', sequence: 'public.not_there' })
  expect((await remote.acquire('plain')).fence).toBe(1)
  await remote.close()
})

/** To what is hashed: names of one key cannot be found. */
function giveOneKey(names: readonly string[]): void {
  const prototype: { update: (this: Hash, data: BinaryLike) => Hash } = Hash.prototype
  const { update } = prototype
  const spy = vi.spyOn(Hash.prototype, 'update').mockImplementation(function (this: Hash, data: BinaryLike) {
    return update.call(this, typeof data === 'string' && names.includes(data) ? 'one' : data)
  })
  onTestFinished(() => spy.mockRestore())
}

/** A pool in front of the server; its address. */
async function pgbouncer(mode: 'transaction' | 'session'): Promise<string> {
  const folder = scratch()
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  await new Promise((resolve) => probe.close(resolve))
  const file = join(folder, 'pgbouncer.ini')
  const lines = [
    '[databases]',
    `postgres = host=127.0.0.1 port=${server.port} user=holdfast`,
    '[pgbouncer]',
    `listen_addr = 127.0.0.1`,
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${mode}`,
    'default_pool_size = 10',
    `logfile = ${join(folder, 'log')}`,
  ]
  writeFileSync(file, lines.join('\n'))
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  if (process.getuid?.() === 0) {
    for (const path of [folder, file]) chownSync(path, 65534, 65534)
    spawnSync('chmod', ['a+rx', folder])
  }
  const child = spawn('pgbouncer', [file], { ...user, stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const url = `postgres://holdfast@127.0.0.1:${port}/postgres`
  await until('the pool answers', async () => {
    const { connect } = await import('node:net')
    return await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
  })
  return url
}
