// The gateway of examples/multi-host as a program: what it acknowledges, under how many holds, and how it ends.
import { pathToFileURL } from 'node:url'

import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import { Program } from '../../examples/multi-host/src/demo/program.js'
import type { Told } from '../../examples/multi-host/src/events.js'
import { TABLES } from '../../examples/multi-host/src/schema.js'
import { missing } from '../helpers/capabilities.js'
import { until } from '../helpers/until.js'
import { PostgresServer, postgresServer } from '../postgres/server.js'
import { built, DIST } from './built.js'

const skip = missing(built, postgresServer)
const GATEWAY = pathToFileURL(`${DIST}gateway.js`)

let server: PostgresServer
let admin: pg.Client
beforeAll(async () => {
  if (skip) return
  server = await PostgresServer.start()
  admin = new pg.Client(server.url)
  await admin.connect()
  await admin.query(TABLES)
})
afterAll(async () => {
  if (skip) return
  await admin.end()
  await server.stop()
})

let last = 0
let session = ''
beforeEach(() => {
  session = `session-${++last}`
})

type Acknowledged = Extract<Told, { event: 'acknowledged' }>

class Gateway extends Program {
  static async start(name: string, ...args: string[]): Promise<Gateway> {
    const gateway = new Gateway(name, { prefix: [] }, GATEWAY, ['--name', name, '--database', server.url, ...args])
    onTestFinished(() => gateway.signal('SIGKILL'))
    await gateway.until('ready', ({ event }) => event === 'ready')
    return gateway
  }

  write(...ids: string[]): void {
    for (const id of ids) this.send({ session, id, text: `text of ${id}` })
  }

  acknowledged(id: string): Promise<Acknowledged> {
    return this.until(
      `acknowledged ${id}`,
      (event): event is Acknowledged => event.event === 'acknowledged' && event.session === session && event.id === id,
    )
  }

  count(name: Told['event']): number {
    return this.events.filter(({ event }) => event === name).length
  }
}

const rows = async () =>
  await server.query(`select seq::int, id from transcript where session = '${session}' order by seq`)

/** Writes of this session stand at the database until the answer is called. */
async function blocked(): Promise<() => Promise<unknown>> {
  await admin.query('begin')
  await admin.query(`insert into fence values ($1, 0)`, [`session:${session}`])
  return () => admin.query('rollback')
}

const standing = async (): Promise<boolean> =>
  (
    await server.query(
      `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into fence%'`,
    )
  ).length > 0

describe.skipIf(skip)('a gateway', () => {
  test('writes everything that came during a write under the one hold that follows, in order', async () => {
    const gateway = await Gateway.start('north')
    const open = await blocked()
    gateway.write('first')
    await until('its write stands at the database', standing)
    const queued = Array.from({ length: 300 }, (_, index) => `queued-${index}`)
    gateway.write(...queued)
    gateway.send({ session: 'another', id: 'mark', text: '' })
    await gateway.until('they were read', (event) => event.event === 'acknowledged' && event.session === 'another')
    await open()
    const all = await Promise.all(['first', ...queued].map((id) => gateway.acknowledged(id)))
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1))
    expect(new Set(all.slice(1).map(({ fence }) => fence)).size).toBe(1)
    expect(gateway.events.filter((event) => event.event === 'granted' && event.session === session)).toHaveLength(2)
    const written = await server.query(`select distinct xmin from transcript where session = '${session}'`)
    expect(written).toHaveLength(2)
    const [store] = await server.query(`select value from store where name = '${session}'`)
    expect(store).toEqual({ value: { lines: 301, last: 'queued-299', by: 'north' } })
  })

  test('takes a message that is sent again, to it or to another one, for one message', async () => {
    const [north, south] = [await Gateway.start('north'), await Gateway.start('south')]
    north.write('a', 'a', 'b')
    await north.acknowledged('b')
    south.write('a', 'c')
    await south.acknowledged('c')
    north.write('c', 'd')
    await north.acknowledged('d')
    expect(await south.acknowledged('a')).toMatchObject({ seq: 1, added: false })
    expect(await north.acknowledged('c')).toMatchObject({ seq: 3, added: false })
    for (const [gateway, answers] of [
      [north, 4],
      [south, 2],
    ] as const) {
      gateway.endInput()
      expect(await gateway.ended()).toBe(0)
      expect(gateway.count('acknowledged')).toBe(answers)
    }
    expect(await rows()).toEqual(['a', 'b', 'c', 'd'].map((id, index) => ({ seq: index + 1, id })))
  })

  test('that is killed in a write leaves the session to the others at once, and nothing half done', async () => {
    const [north, south] = [await Gateway.start('north'), await Gateway.start('south')]
    const open = await blocked()
    north.write('a', 'b')
    await until('its write stands at the database', standing)
    south.write('c')
    north.signal('SIGKILL')
    await south.until('granted', ({ event }) => event === 'granted')
    await open()
    await south.acknowledged('c')
    south.write('a', 'b')
    await south.acknowledged('b')
    expect((await rows()).map(({ id }) => String(id)).sort()).toEqual(['a', 'b', 'c'])
    const [store] = await server.query<{ value: object }>(`select value from store where name = '${session}'`)
    expect(store?.value).toMatchObject({ lines: 3 })
  })

  test('whose sessions the server ends loses its hold, says which messages are open, and acknowledges them later', async () => {
    const gateway = await Gateway.start('north')
    const open = await blocked()
    gateway.write('a')
    await until('its write stands at the database', standing)
    gateway.write('b')
    gateway.send({ session: 'another', id: 'mark-2', text: '' })
    await gateway.until('they were read', (event) => event.event === 'acknowledged' && event.id === 'mark-2')
    await server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'holdfast:%:${gateway.pid}'`,
    )
    const lost = await gateway.until('lost', ({ event }) => event === 'lost')
    expect(lost).toMatchObject({ session, held: false, why: 'ERR_LOCK_LOST' })
    const unacknowledged = await gateway.until('which', ({ event }) => event === 'unacknowledged')
    expect(unacknowledged).toMatchObject({ session, ids: ['a', 'b'], why: 'ERR_LOCK_LOST' })
    await open()
    expect((await gateway.acknowledged('b')).fence).toBeGreaterThan('fence' in lost ? lost.fence : Infinity)
    expect(await rows()).toEqual([
      { seq: 1, id: 'a' },
      { seq: 2, id: 'b' },
    ])
  })

  test('refuses what is no message in a sentence, and goes on', async () => {
    const gateway = await Gateway.start('north')
    const bad = [5, {}, { session, id: 'a b', text: '' }, { session, id: 'a' }, { session: '', id: 'a', text: '' }]
    for (const line of bad) gateway.send(line as object)
    gateway.write('a')
    await gateway.acknowledged('a')
    expect(gateway.count('refused')).toBe(bad.length)
  })

  test('ends when its input has ended, and everything is written by then', async () => {
    const gateway = await Gateway.start('north')
    gateway.write('a', 'b')
    const ended = gateway.ended()
    gateway.endInput()
    expect(await ended).toBe(0)
    expect(await rows()).toHaveLength(2)
    expect(await server.locks()).toBe(0)
  })

  test('that is told to end finishes what it is writing, and leaves what waits', async () => {
    const [north, south] = [await Gateway.start('north'), await Gateway.start('south')]
    const open = await blocked()
    north.write('a')
    await until('its write stands at the database', standing)
    south.write('b')
    const waits = `select from pg_locks where locktype = 'advisory' and not granted`
    await until('the other one waits', async () => (await server.query(waits)).length === 1)
    south.signal('SIGTERM')
    expect(await south.ended()).toBe(0)
    expect(south.count('acknowledged')).toBe(0)
    north.signal('SIGTERM')
    await north.until('that its hold ends', ({ event }) => event === 'lost')
    await open()
    expect(await north.acknowledged('a')).toMatchObject({ seq: 1 })
    expect(await north.ended()).toBe(0)
    expect(await rows()).toHaveLength(1)
    expect(await server.locks()).toBe(0)
  })

  test('without a database is told what it needs', async () => {
    const gateway = new Gateway('north', { prefix: [] }, GATEWAY, [])
    expect(await gateway.ended()).toBe(2)
  })
})
