// The functions themselves, without a server: which arguments are refused, and what is passed on.
import { createHash } from 'node:crypto'

import { expect, onTestFinished, test } from 'vitest'

import { Owner } from '../../src/index.js'
import { openPostgres, type RemoteHoldfast, type RemoteTryOptions } from '../../src/postgres.js'
import { refusal, ScriptedServer } from './scripted-server.js'

async function open(): Promise<{ server: ScriptedServer; remote: RemoteHoldfast }> {
  const server = new ScriptedServer()
  const remote = await openPostgres({ adapter: server, namespace: 'test' })
  onTestFinished(() => remote.close())
  return { server, remote }
}

test('a sequence whose name would have to be quoted is refused', async () => {
  for (const sequence of ['Fence', 'a.b.c', 'fence; drop table x', '']) {
    const opening = openPostgres({ adapter: new ScriptedServer(), namespace: 'test', sequence })
    await expect(opening).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  }
})

test('exactly one of connection and adapter says where the server is', async () => {
  const adapter = new ScriptedServer()
  const namespace = 'test'
  await expect(openPostgres({ namespace })).rejects.toThrow('neither')
  await expect(openPostgres({ namespace, adapter, connection: 'postgres://' })).rejects.toThrow('both')
  const connection = 5 as unknown as string
  await expect(openPostgres({ namespace, connection })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  expect(adapter.connections).toEqual([])
})

test('withLock takes options before its section, and no lock without a section', async () => {
  const { server, remote } = await open()
  const label = await remote.withLock('name', { label: 'mine' }, () => remote.holds()[0]?.label)
  expect(label).toBe('mine')
  const tries = server.count(/^execute try_/)
  const nothing = undefined as unknown as () => void
  await expect(remote.withLock('name', {}, nothing)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  expect(server.count(/^execute try_/)).toBe(tries)
})

test('wrong arguments of a try are refused before anything is asked of the server', async () => {
  const { server, remote } = await open()
  const { length } = server.sent
  const mode = 'exclusive_1(1); drop table users; --' as 'exclusive'
  const wrong: [unknown, RemoteTryOptions | undefined, string][] = [
    ['name', { mode }, 'ERR_INVALID_ARG_VALUE'],
    ['name', { maxHold: -1 }, 'ERR_OUT_OF_RANGE'],
    ['name', { timeout: 1 } as RemoteTryOptions, 'ERR_INVALID_ARG_VALUE'],
    ['name', { owner: 'me' as unknown as Owner }, 'ERR_INVALID_ARG_TYPE'],
    ['name', null as unknown as undefined, 'ERR_INVALID_ARG_TYPE'],
    ['', {}, 'ERR_INVALID_ARG_VALUE'],
    ['a\0b', {}, 'ERR_INVALID_ARG_VALUE'],
    [5, {}, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [name, options, code] of wrong) {
    await expect(remote.tryAcquire(name as string, options)).rejects.toMatchObject({ code })
  }
  const owner = new Owner('closed')
  owner.close()
  await expect(remote.tryAcquire('name', { owner })).rejects.toMatchObject({ code: 'ERR_LOCK_OWNER_CLOSED' })
  expect(server.sent).toHaveLength(length)
})

test('wrong options of a wait are refused before anything is asked of the server', async () => {
  const { server, remote } = await open()
  const { length } = server.sent
  const wrong: [object, string][] = [
    [{ mode: 'both' }, 'ERR_INVALID_ARG_VALUE'],
    [{ timeout: NaN }, 'ERR_OUT_OF_RANGE'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ record: false }, 'ERR_INVALID_ARG_VALUE'],
    [{ lockfile: '/tmp/x' }, 'ERR_INVALID_ARG_VALUE'],
    [{ filesystem: 'any' }, 'ERR_INVALID_ARG_VALUE'],
    [{ label: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ keep: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) {
    await expect(remote.acquire('name', options)).rejects.toMatchObject({ code })
    await expect(remote.withLock('name', options, () => 1)).rejects.toMatchObject({ code })
    await expect(remote.acquireAll(['name'], options)).rejects.toMatchObject({ code })
  }
  const endless = remote.acquireAll(['name'], { timeout: Infinity })
  await expect(endless).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  await expect(remote.acquireAll('name' as unknown as string[])).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  await expect(remote.inspect(5 as unknown as string)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  expect(server.sent).toHaveLength(length)
})

test('wrong options are refused before a connection is made, and the refusal names the option', async () => {
  const adapter = new ScriptedServer()
  const wrong: [object, string, string][] = [
    [{ namespace: undefined }, 'ERR_INVALID_ARG_TYPE', 'options.namespace'],
    [{ application: 5 }, 'ERR_INVALID_ARG_TYPE', 'options.application'],
    [{ sequence: 5 }, 'ERR_INVALID_ARG_TYPE', 'options.sequence'],
    [{ pooler: 'transaction' }, 'ERR_INVALID_ARG_VALUE', 'options.pooler'],
    [{ adapter: {} }, 'ERR_INVALID_ARG_TYPE', 'options.adapter'],
    [{ heartbeat: 5 }, 'ERR_INVALID_ARG_TYPE', 'options'],
    [{ heartbeat: { often: 5 } }, 'ERR_INVALID_ARG_VALUE', 'often'],
    [{ heartbeat: { every: 0 } }, 'ERR_OUT_OF_RANGE', 'options.heartbeat.every'],
    [{ heartbeat: { answer: NaN } }, 'ERR_OUT_OF_RANGE', 'options.heartbeat.answer'],
    [{ heartbeat: { server: '9' } }, 'ERR_INVALID_ARG_TYPE', 'options.heartbeat.server'],
    [{ heartbeat: { server: Infinity } }, 'ERR_OUT_OF_RANGE', 'options.heartbeat.server'],
    [{ heartbeat: { every: 9000 } }, 'ERR_LOCK_UNSUPPORTED', 'heartbeat.every 9000'],
    [{ port: 5432 }, 'ERR_INVALID_ARG_VALUE', 'port'],
  ]
  for (const [options, code, named] of wrong) {
    const error: unknown = await openPostgres({ adapter, namespace: 'test', ...options }).catch(
      (error: unknown) => error,
    )
    expect(error).toMatchObject({ code, message: expect.stringContaining(named) as string })
  }
  expect(adapter.connections).toEqual([])
})

test('a key is the first 8 bytes of SHA-256 over namespace, zero byte and name, as every version takes it', async () => {
  const { server, remote } = await open()
  await remote.acquire('session:42')
  const lock = createHash('sha256').update('test\0session:42').digest().readBigInt64BE(0)
  expect(lock).toBe(1356204098675812396n)
  expect(server.sent.at(-1)?.text).toContain(`(${lock}, `)
})

test('a quote or a backslash in the name of the application ends no text, and what no encoding may lack is replaced', async () => {
  const server = new ScriptedServer()
  const remote = await openPostgres({ adapter: server, namespace: 'test', application: `it's \\ 日本\n` })
  onTestFinished(() => remote.close())
  expect(server.sent[0]?.text).toContain(`(E'application_name', E'it''s \\\\ ???')`)
})

test('an inspection that the server refuses names the lock and keeps the cause', async () => {
  const { server, remote } = await open()
  const cause = refusal('XX000')
  server.next(/from pg_locks/, cause)
  const refused = { code: 'ERR_LOCK_DATABASE', path: 'name', cause }
  await expect(remote.inspect('name')).rejects.toMatchObject(refused)
})

test('a failure without a message is told by its code, or by its name', async () => {
  const silent = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }) // of a host with several addresses
  for (const [cause, told] of [
    [silent, 'failed: ECONNREFUSED'],
    [new AggregateError([]), 'failed: AggregateError'],
    ['no error', 'failed: no error'],
  ] as const) {
    const server = new ScriptedServer()
    server.unreachable.push(cause as Error)
    const error: unknown = await openPostgres({ adapter: server, namespace: 'test' }).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'ERR_LOCK_DATABASE', cause, message: expect.stringContaining(told) as string })
  }
})

test('after close() everything is refused, but for what asks and ends nothing', async () => {
  const { remote } = await open()
  await remote.close()
  const refused = { code: 'ERR_LOCK_DATABASE' }
  await expect(remote.acquire('name')).rejects.toMatchObject({
    ...refused,
    path: 'name',
    lockfile: 'postgres:test:name',
  })
  await expect(remote.acquire('name', { timeout: 0 })).rejects.toMatchObject(refused)
  await expect(remote.tryAcquire('name')).rejects.toMatchObject(refused)
  await expect(remote.acquireAll(['a', 'b'])).rejects.toMatchObject(refused)
  await expect(remote.withLock('name', () => 1)).rejects.toMatchObject(refused)
  await expect(remote.inspect('name')).rejects.toMatchObject(refused)
  expect([remote.holds(), remote.releaseAll()]).toEqual([[], 0])
  await remote.flush()
  await remote.close()
})

test('the end of an async scope ends the holds, and closes', async () => {
  const { server, remote } = await open()
  const hold = await remote.acquire('name')
  await remote[Symbol.asyncDispose]()
  expect(hold.held).toBe(false)
  expect(server.count(/^execute unlock_exclusive/)).toBe(1)
  expect(server.connections.map(({ state }) => state)).toEqual(['ended'])
})
