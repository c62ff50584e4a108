// Who waits while connections fail.
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { openPostgres, pgAdapter, type PostgresAdapter } from '../../src/postgres.js'
import { missing } from '../helpers/capabilities.js'
import { until } from '../helpers/until.js'
import { PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start()
})
afterAll(async () => {
  if (!skip) await server.stop()
})

/** Its `n`-th connection is neither made nor refused until `refuse()` is called. */
function failing(
  adapter: PostgresAdapter,
  n: number,
): { adapter: PostgresAdapter; asked: () => boolean; refuse: () => void } {
  let connections = 0
  let refuse: () => void = () => {}
  const refused = new Promise<never>((_, reject) => {
    refuse = () => reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
  })
  const failingAdapter: PostgresAdapter = {
    connect: (ended, signal) => (++connections === n ? refused : adapter.connect(ended, signal)),
  }
  return { adapter: failingAdapter, asked: () => connections >= n, refuse }
}

test.skipIf(skip)('who cannot connect waits in a session that others have left meanwhile', async () => {
  const second = failing(pgAdapter(server.url), 3)
  const ours = await openPostgres({ adapter: second.adapter, namespace: 'seats' })
  const theirs = await openPostgres({ connection: server.url, namespace: 'seats' })
  onTestFinished(() => theirs.close())
  onTestFinished(() => ours.close())
  const [first, other] = [await theirs.acquire('first'), await theirs.acquire('other')]
  const waits = ours.acquire('first')
  await until('it waits', async () => (await theirs.inspect('first')).waiting === 1)
  const wait = ours.acquire('other')
  await until('it connects', second.asked)
  first.release()
  const hold = await waits
  hold.release()
  await until('its session is left', async () => (await theirs.inspect('first')).state === 'free')
  second.refuse()
  await until('it waits in the other session', async () => (await theirs.inspect('other')).waiting === 1)
  other.release()
  ;(await wait).release()
})

test.skipIf(skip).each(['ENETUNREACH', 'EHOSTUNREACH', 'ETIMEDOUT', '53300'])('a wait outlasts %s', async (code) => {
  const adapter = pgAdapter(server.url)
  let connections = 0
  const sometimes: PostgresAdapter = {
    connect: async (ended, signal) => {
      connections++
      if (connections === 2 || connections === 3) throw Object.assign(new Error('no way there'), { code })
      return await adapter.connect(ended, signal)
    },
  }
  const ours = await openPostgres({ adapter: sometimes, namespace: 'seats', application: `away ${code}` })
  onTestFinished(() => ours.close())
  const hold = await ours.acquire('before')
  await server.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'away ${code}'`)
  await until('it is lost', () => hold.signal.aborted)
  ;(await ours.acquire('after')).release()
  expect(connections).toBe(4)
})
