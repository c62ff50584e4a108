// Waits that are given up while their lock is being granted, and as many locks as a session can have.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { openPostgres } from '../../src/postgres.js'
import { missing } from '../helpers/capabilities.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresAgent } from './agent.js'
import { PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
/** Of each of four processes, with each client. */
const ROUNDS = Number(process.env['HOLDFAST_POSTGRES_STORM'] ?? 250)
const KEYS = 10_000
let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start('log_min_messages=fatal')
})
afterAll(async () => {
  if (!skip) await server.stop()
})

describe.skipIf(skip).each(adapters)('with $name', ({ name: client }) => {
  test(
    'waits that are aborted at any moment leave no lock, and disturb no other statement',
    { timeout: 3_600_000 },
    async () => {
      const agents = await Promise.all([1, 2, 3, 4].map(() => PostgresAgent.start(server.url, { client })))
      const seeds = agents.map(() => 1 + Math.floor(Math.random() * 1e9))
      console.log(`seeds ${seeds.join(', ')}`)
      const names = ['a', 'b', 'c', 'd', 'e', 'f']
      const storms = agents.map((agent, index) => agent.storm(names, ROUNDS, 6, seeds[index] ?? 1))
      const counts = await Promise.all(storms)
      const granted = counts.reduce((sum, one) => sum + one.granted, 0)
      const aborted = counts.reduce((sum, one) => sum + one.aborted, 0)
      console.log(`${granted} granted, ${aborted} aborted`)
      expect(granted + aborted).toBe(4 * ROUNDS)
      expect(Math.min(granted, aborted)).toBeGreaterThan(0)
      await until('nothing is left', async () => (await server.locks()) === 0)
      for (const agent of agents) await agent.close()
    },
  )
})

test.skipIf(skip)('one connection keeps ten thousand locks', { timeout: 300_000 }, async () => {
  const application = 'many'
  const remote = await openPostgres({ connection: server.url, namespace: 'many', application })
  onTestFinished(() => remote.close())
  const names = Array.from({ length: KEYS }, (_, index) => `key-${index}`)
  const holds = await Promise.all(names.map((name) => remote.acquire(name, { timeout: Infinity })))
  expect(await server.locks()).toBe(KEYS)
  const sessions = await server.query(`select 1 from pg_stat_activity where application_name = '${application}'`)
  expect(sessions).toHaveLength(1)
  expect(holds.every(({ held }) => held)).toBe(true)
  expect(remote.releaseAll()).toBe(KEYS)
  await until('all are free', async () => (await server.locks()) === 0)
})

test.skipIf(skip)('a thousand waits share four connections, and each is granted', { timeout: 120_000 }, async () => {
  const application = 'waits'
  const ours = await openPostgres({ connection: server.url, namespace: 'many', application })
  onTestFinished(() => ours.close())
  const theirs = await openPostgres({ connection: server.url, namespace: 'many' })
  onTestFinished(() => theirs.close())
  const names = Array.from({ length: 1000 }, (_, index) => `key-${index}`)
  const set = await theirs.acquireAll(names)
  const waits = names.map((name) => ours.acquire(name, { timeout: Infinity }))
  const sessions = (): Promise<object[]> =>
    server.query(`select 1 from pg_stat_activity where application_name = '${application}'`)
  await until('all wait that may', async () => (await sessions()).length === 5)
  set.release()
  const holds = await Promise.all(waits)
  expect(holds.every(({ held }) => held)).toBe(true)
  expect(await sessions()).toHaveLength(5)
  expect(ours.releaseAll()).toBe(1000)
  await Promise.all([ours.flush(), theirs.flush()])
  expect(await server.locks()).toBe(0)
})
