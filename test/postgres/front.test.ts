// The functions themselves, without a server: which arguments are refused, and what is passed on.
import { expect, onTestFinished, test } from 'vitest'

import { openPostgres, type RemoteHoldfast } from '../../src/postgres.js'
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

test('an inspection that the server refuses names the lock and keeps the cause', async () => {
  const { server, remote } = await open()
  const cause = refusal('XX000')
  server.next(/from pg_locks/, cause)
  const refused = { code: 'ERR_LOCK_DATABASE', path: 'name', cause }
  await expect(remote.inspect('name')).rejects.toMatchObject(refused)
})

test('the end of an async scope ends the holds, and closes', async () => {
  const { server, remote } = await open()
  const hold = await remote.acquire('name')
  await remote[Symbol.asyncDispose]()
  expect(hold.held).toBe(false)
  expect(server.count(/^execute unlock_exclusive/)).toBe(1)
  expect(server.connections.map(({ state }) => state)).toEqual(['ended'])
})
