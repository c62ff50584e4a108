// Other ways to a server: encrypted, and by a socket of the same host.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'

import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { openPostgres, pgAdapter, postgresJsAdapter, type PostgresAdapter } from '../../src/postgres.js'
import { missing, program } from '../helpers/capabilities.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresServer, postgresServer } from './server.js'

const PATIENT = new AbortController().signal
const openssl = program('openssl')
const skip = missing(postgresServer)
let server: PostgresServer
beforeAll(async () => {
  if (skip) return
  server = await PostgresServer.start()
  if (openssl.there) await encrypt(server)
})
afterAll(async () => {
  if (!skip) await server.stop()
})

/** It speaks TLS from now on, with a certificate for `localhost` that it has made for itself. */
async function encrypt(server: PostgresServer): Promise<void> {
  const [key, certificate] = [join(server.folder, 'key.pem'), join(server.folder, 'certificate.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    certificate,
    ...subject,
  ])
  if (!existsSync(key)) throw new Error('no certificate')
  chmodSync(key, 0o600)
  if (process.getuid?.() === 0) for (const file of [key, certificate]) chownSync(file, 65534, 65534)
  await server.query(`alter system set ssl_key_file = '${key}'`)
  await server.query(`alter system set ssl_cert_file = '${certificate}'`)
  await server.query(`alter system set ssl = on`)
  await server.query(`select pg_reload_conf()`)
}

async function useLocks(where: PostgresAdapter | { connection: URL }): Promise<void> {
  const server = 'connection' in where ? where : { adapter: where }
  const [ours, theirs] = await Promise.all(
    [1, 2].map(() => openPostgres({ ...server, namespace: 'test', application: 'here' })),
  )
  if (ours === undefined || theirs === undefined) throw new Error('not opened')
  onTestFinished(() => ours.close())
  onTestFinished(() => theirs.close())
  const hold = await ours.acquire('name')
  await expect(theirs.acquire('name', { timeout: 20 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
  const next = theirs.acquire('name')
  hold.release()
  ;(await next).release()
}

describe.skipIf(skip)('by a socket of the same host', () => {
  test('with pg', async () => {
    await useLocks(pgAdapter({ host: server.folder, port: server.port, user: 'holdfast', database: 'postgres' }))
  })

  test('with pg, by a URL that is no text', async () => {
    await useLocks({ connection: new URL(server.url) })
  })

  test('with postgres.js', async () => {
    const options = { host: server.folder, port: server.port, user: 'holdfast', database: 'postgres' }
    await useLocks(postgresJsAdapter(postgres, '', options))
  })
})

describe.skipIf(skip || missing(openssl))('encrypted', () => {
  const encrypted = async (): Promise<unknown[]> =>
    await server.query(
      `select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'here'`,
    )

  test('with pg, whose connection can be cut', async () => {
    const connection = { connectionString: server.url, ssl: { rejectUnauthorized: false } }
    const adapter = pgAdapter(connection)
    await useLocks(adapter)
    expect(await encrypted()).toEqual([{ ssl: true }])
    await cutOne(adapter)
  })

  test('with postgres.js, whose connection can be cut', async () => {
    const adapter = postgresJsAdapter(postgres, server.url, { ssl: { rejectUnauthorized: false } })
    await useLocks(adapter)
    expect(await encrypted()).toEqual([{ ssl: true }])
    await cutOne(adapter)
  })
})

/** Accepts connections and says nothing. */
async function silentServer(): Promise<{ url: string; open: Set<Socket> }> {
  const open = new Set<Socket>()
  const listener = createServer((socket) => {
    open.add(socket)
    socket
      .on('close', () => open.delete(socket))
      .on('error', () => {})
      .resume()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void listener.close())
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `postgres://holdfast@127.0.0.1:${address.port}/postgres`, open }
}

describe.each(adapters)('an attempt to connect with $name', ({ adapter }) => {
  test('that is given up is cut', async () => {
    const { url, open } = await silentServer()
    const patience = new AbortController()
    const connecting = adapter(url).connect(() => {}, patience.signal)
    await until('it is connected', () => open.size === 1)
    patience.abort()
    await expect(connecting).rejects.toThrow()
    await until('it is cut', () => open.size === 0)
  })

  test('that is late is given up', async () => {
    const { url, open } = await silentServer()
    const heartbeat = { every: 50, answer: 100, server: 1500 }
    const opening = openPostgres({ adapter: adapter(url), namespace: 'test', heartbeat })
    await expect(opening).rejects.toMatchObject({ code: 'ERR_LOCK_DATABASE' })
    await until('it is cut', () => open.size === 0)
  })
})

describe.skipIf(skip).each(adapters)('with $name', ({ adapter }) => {
  test('a statement that fails behind its first row leaves the rows of the next ones as they are', async () => {
    const connection = await adapter(server.url).connect(() => {}, PATIENT)
    onTestFinished(() => connection.end())
    const failing = 'select 1 / (3 - number) from generate_series(1, 5) as number'
    await expect(connection.query(failing)).rejects.toMatchObject({ code: '22012' })
    expect(await connection.query(`select 'one' as text`)).toEqual([{ text: 'one' }])
    expect(await connection.query(`values ('one'), ('two')`)).toEqual([{ column1: 'one' }, { column1: 'two' }])
  })
})

async function cutOne(adapter: PostgresAdapter): Promise<void> {
  const connection = await adapter.connect(() => {}, PATIENT)
  const asleep = connection.query('select pg_sleep(60)').catch((error: unknown) => error)
  connection.destroy()
  expect(await asleep).toBeInstanceOf(Error)
}
