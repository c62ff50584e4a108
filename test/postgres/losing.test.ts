// How a hold is lost with its connection, and what its holder sees of it.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { openPostgres, type PostgresOptions, type RemoteHoldfast } from '../../src/postgres.js'
import { missing } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresAgent } from './agent.js'
import { PostgresServer, postgresServer } from './server.js'
import { StallingProxy } from './stalling-proxy.js'

const skip = missing(postgresServer)
/** As short as the margin allows. */
const SHORT = { every: 100, answer: 300, server: 1500 }
let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start()
})
afterAll(async () => {
  if (!skip) await server.stop()
})

let names = 0
const fresh = (): string => `name-${++names}`

describe.skipIf(skip).each(adapters)('with $name', ({ name: client, adapter }) => {
  async function open(options: Partial<PostgresOptions> = {}, url = server.url): Promise<RemoteHoldfast> {
    const remote = await openPostgres({ adapter: adapter(url), namespace: 'test', ...options })
    onTestFinished(() => remote.close())
    return remote
  }

  test('a session that is terminated ends its holds with the reason connection, and only those', async () => {
    const [ours, theirs] = [await open({ application: 'victim' }), await open()]
    const [name, other] = [fresh(), fresh()]
    const hold = await ours.acquire(name)
    const kept = await theirs.acquire(other)
    const next = theirs.acquire(name)
    const lost = new Promise((resolve) => hold.signal.addEventListener('abort', resolve))
    await server.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'`)
    await lost
    expect(hold.signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'connection' })
    expect([hold.held, kept.held]).toEqual([false, true])
    await expect(hold.guard(() => 1)).rejects.toMatchObject({ reason: 'connection' })
    const granted = await next
    expect(granted.fence).toBeGreaterThan(hold.fence ?? Infinity)
    granted.release()
    ;(await ours.acquire(name)).release()
    kept.release()
  })

  test('a wait survives the end of the session that waits, and that of the holder session', async () => {
    const [ours, theirs, name] = [await open({ application: 'victim' }), await open(), fresh()]
    const hold = await theirs.acquire(name)
    const wait = ours.acquire(name)
    await until('it waits', async () => (await theirs.inspect(name)).waiting === 1)
    await server.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'`)
    await until('it waits again', async () => (await theirs.inspect(name)).waiting === 1)
    await mustStayBlocked(wait)
    hold.release()
    ;(await wait).release()
  })

  test('a wait that an administrator cancels goes on', async () => {
    const [ours, theirs, name] = [await open({ application: 'victim' }), await open(), fresh()]
    const hold = await theirs.acquire(name)
    const wait = ours.acquire(name)
    await until('it waits', async () => (await theirs.inspect(name)).waiting === 1)
    await server.query(`select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'victim'`)
    await until('it waits again', async () => (await theirs.inspect(name)).waiting === 1)
    await mustStayBlocked(wait)
    hold.release()
    ;(await wait).release()
  })

  test('a network that goes silent ends every hold by the clock, and guards are refused', async () => {
    const proxy = await StallingProxy.start(server.port)
    const [ours, theirs, name] = [await open({ heartbeat: SHORT }, proxy.url(server.url)), await open(), fresh()]
    const hold = await ours.acquire(name)
    const wait = theirs.acquire(name)
    const won = fresh()
    const blocker = await theirs.acquire(won)
    const waited = ours.acquire(won)
    await until('it waits', async () => (await theirs.inspect(won)).waiting === 1)
    blocker.release()
    const second = await waited
    await mustStayBlocked(wait)
    expect([hold.held, second.held]).toEqual([true, true])
    proxy.stall()
    await until('both signals fired', () => hold.signal.aborted && second.signal.aborted)
    for (const lost of [hold, second]) {
      expect(lost.signal.reason).toMatchObject({ reason: 'connection' })
      await expect(lost.guard(() => 1)).rejects.toMatchObject({ reason: 'connection' })
    }
    proxy.stop()
    ;(await wait).release()
  })

  test('held turns false by the clock although the event loop is blocked', async () => {
    const agent = await PostgresAgent.start(server.url, { client, heartbeat: SHORT })
    const hold = await agent.acquire('blocked')
    const [first, last] = await agent.ask<[[number, boolean], [number, boolean] | null]>('watch', hold.key, 1000)
    expect(first[1]).toBe(true)
    expect(last?.[1]).toBe(false)
    await until('it was told', () => agent.losses.length > 0)
    expect(agent.losses[0]?.reason).toBe('connection')
    ;(await (await open()).acquire('blocked')).release()
  })

  test('a stopped process may believe in its hold, and its fencing number is the smaller one', async () => {
    const agent = await PostgresAgent.start(server.url, { client, heartbeat: SHORT })
    const hold = await agent.acquire('stopped')
    agent.process.kill('SIGSTOP')
    await server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%:${agent.pid}'`,
    )
    const next = await (await open()).acquire('stopped')
    expect(next.fence).toBeGreaterThan(hold.fence ?? Infinity)
    agent.process.kill('SIGCONT')
    await until('it was told', () => agent.losses.length > 0)
    expect(await agent.held(hold)).toBe(false)
  })

  test.each([
    ['in order', 'SIGINT'],
    ['at once, as after a crash', 'SIGQUIT'],
  ] as const)(
    'a server that ends %s ends every hold; waits and new requests go on when it is back',
    async (_, signal) => {
      const own = await PostgresServer.start()
      onTestFinished(() => own.stop())
      const [ours, theirs, name] = [await open({}, own.url), await open({}, own.url), fresh()]
      const hold = await ours.acquire(name)
      const wait = theirs.acquire(name)
      await until('it waits', async () => (await ours.inspect(name)).waiting === 1)
      await own.end(signal)
      await until('the hold is lost', () => hold.signal.aborted)
      expect(hold.signal.reason).toMatchObject({ reason: 'connection' })
      const late = expect(theirs.acquire(name, { timeout: 100 })).rejects
      await late.toMatchObject({ code: 'ERR_LOCK_TIMEOUT', holder: null })
      await own.run()
      const next = await wait
      expect(next.fence).toBeGreaterThan(hold.fence ?? Infinity)
      expect(await ours.tryAcquire(name)).toBeNull()
      await ours.close()
      await theirs.close()
    },
  )
})
