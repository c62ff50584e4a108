// Processes that lock through one server, and die.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { missing } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { adapters } from './adapters.js'
import { PostgresAgent } from './agent.js'
import { PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
const EXITS = fileURLToPath(new URL('../fixtures/postgres-exits.mjs', import.meta.url))
const ROUNDS = Number(process.env['HOLDFAST_POSTGRES_ROUNDS'] ?? 50)
let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start()
})
afterAll(async () => {
  if (!skip) await server.stop()
})

/** An older server notices that a client is gone when it has something to tell it. */
async function seesDeadClients(): Promise<boolean> {
  const rows = await server.query(`select 1 from pg_settings where name = 'client_connection_check_interval'`)
  return rows.length > 0
}

describe.skipIf(skip).each(adapters)('with $name', ({ name: client }) => {
  test('processes never are in one section at one time, and their fencing numbers grow', async () => {
    const agents = await Promise.all([1, 2, 3].map(() => PostgresAgent.start(server.url, { client })))
    const mark = join(scratch(), 'mark')
    const results = await Promise.all(agents.map((agent) => agent.sections('section', mark, ROUNDS)))
    expect(results.map(({ overlaps }) => overlaps)).toEqual([0, 0, 0])
    const fences = results.flatMap(({ fences }) => fences)
    expect(new Set(fences).size).toBe(3 * ROUNDS)
    for (const { fences } of results) expect(fences).toEqual([...fences].sort((a, b) => a - b))
  })

  test('a holder that is killed frees its lock for who waits; so is a waiter that is killed forgotten', async () => {
    const [dying, waiting, last] = await Promise.all([1, 2, 3].map(() => PostgresAgent.start(server.url, { client })))
    if (dying === undefined || waiting === undefined || last === undefined) throw new Error('no agents')
    const first = await dying.acquire('mortal')
    const ghost = waiting.acquire('mortal').catch(() => null)
    await until('the waiter stands in line', async () => (await server.locks()) === 2 + 1)
    const next = last.acquire('mortal')
    await mustStayBlocked(next)
    await waiting.kill()
    if (await seesDeadClients())
      await until('the dead waiter has left the line', async () => (await server.locks()) === 3)
    await dying.kill()
    expect((await next).fence).toBeGreaterThan(first.fence ?? Infinity)
    await ghost
    await until('only the last one holds', async () => (await server.locks()) === 2)
  })

  test('a clean close leaves no session and no lock', async () => {
    const agent = await PostgresAgent.start(server.url, { client })
    await agent.acquire('left')
    await agent.close()
    const sessions = await server.query(
      `select 1 from pg_stat_activity where application_name like 'holdfast:%:${agent.pid}'`,
    )
    expect(sessions).toEqual([])
  })
})

describe.skipIf(skip)('a process', () => {
  function run(manner: string): { ended: Promise<unknown>; printed: Promise<string> } {
    const child = spawn(process.execPath, [EXITS, server.url, manner], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = once(child, 'exit').then(([code]) => code as unknown)
    const printed = once(child.stdout, 'data').then(String)
    return { ended, printed }
  }

  test.each(['closed', 'busy'])('ends by itself when its clients are closed: %s', async (manner) => {
    const { ended, printed } = run(manner)
    expect([await ended, await printed]).toEqual([0, 'done'])
  })

  test('does not end by itself while one is open, though it holds nothing', async () => {
    const { ended, printed } = run('open')
    expect(await printed).toBe('done')
    await mustStayBlocked(ended)
  })
})

test.skipIf(skip)('killed processes do not let two others into one section', async () => {
  const mark = join(scratch(), 'mark')
  const stable = await Promise.all([1, 2].map(() => PostgresAgent.start(server.url)))
  const work = Promise.all(stable.map((agent) => agent.sections('killed', mark, ROUNDS * 2)))
  const state = { over: false }
  void work.finally(() => (state.over = true))
  while (!state.over) {
    const victim = await PostgresAgent.start(server.url)
    const last = victim.sections('killed', mark, 1_000_000).catch(() => null)
    await until('it has been inside', async () => state.over || (await server.locks()) > 0)
    writeFileSync(`${mark}.killed.${victim.pid}`, '')
    await victim.kill()
    await last
  }
  expect((await work).map(({ overlaps }) => overlaps)).toEqual([0, 0])
})
