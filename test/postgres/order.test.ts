// In which order things are said to the server, and told to callers, where the network takes its time.
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { openPostgres, pgAdapter, type PostgresAdapter, type RemoteHoldfast } from '../../src/postgres.js'
import { missing } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'
import { PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
const SLOW = 60
let server: PostgresServer
beforeAll(async () => {
  if (!skip) server = await PostgresServer.start()
})
afterAll(async () => {
  if (!skip) await server.stop()
})

/** Writes down what is sent and answered, by the first word after `execute`; statements that match go out late. */
function tapped(adapter: PostgresAdapter, log: string[], slow: RegExp): PostgresAdapter {
  return {
    async connect(ended, signal) {
      const connection = await adapter.connect(ended, signal)
      return {
        processId: connection.processId,
        async query(text) {
          const name = /^execute ([a-z_]+)_/.exec(text)?.[1]
          if (slow.test(text)) {
            log.push(`late ${name}`)
            await new Promise((resolve) => setTimeout(resolve, SLOW))
          }
          if (name !== undefined) log.push(`sent ${name}`)
          try {
            return await connection.query(text)
          } finally {
            if (name !== undefined) log.push(`answered ${name}`)
          }
        },
        end: () => connection.end(),
        destroy: () => connection.destroy(),
      }
    },
  }
}

async function world(slow: RegExp): Promise<{ ours: RemoteHoldfast; theirs: RemoteHoldfast; log: string[] }> {
  const log: string[] = []
  const adapter = tapped(pgAdapter(server.url), log, slow)
  const ours = await openPostgres({ adapter, namespace: 'order' })
  const theirs = await openPostgres({ connection: server.url, namespace: 'order' })
  onTestFinished(() => ours.close())
  onTestFinished(() => theirs.close())
  return { ours, theirs, log }
}

test.skipIf(skip)('a wait that reaches the server after the request to cancel it is ended all the same', async () => {
  const { ours, theirs, log } = await world(/^execute wait_/)
  const hold = await theirs.acquire('late')
  const controller = new AbortController()
  const wait = ours.acquire('late', { signal: controller.signal })
  await until('it is under way', () => log.includes('late wait_exclusive'))
  controller.abort('enough')
  expect(await wait.catch((reason: unknown) => reason)).toBe('enough')
  expect(await theirs.inspect('late')).toMatchObject({ state: 'held', waiting: 0 })
  hold.release()
})

test.skipIf(skip)('an abort is told when the session that waited has let go of everything', async () => {
  const { ours, theirs, log } = await world(/^execute unlock_all_/)
  const hold = await theirs.acquire('told')
  const controller = new AbortController()
  const wait = ours.acquire('told', { signal: controller.signal })
  await until('it waits', async () => (await theirs.inspect('told')).waiting === 1)
  log.length = 0
  controller.abort('enough')
  expect(await wait.catch((reason: unknown) => reason)).toBe('enough')
  expect(log).toEqual(['answered wait_exclusive', 'late unlock_all', 'sent unlock_all', 'answered unlock_all'])
  hold.release()
})

test.skipIf(skip)('a lock is asked for again when the server has answered that it was let go of', async () => {
  const { ours, theirs, log } = await world(/^execute unlock/)
  for (const unlock of ['unlock_all', 'unlock_exclusive']) {
    const blocker = unlock === 'unlock_all' ? await theirs.acquire('again') : null
    const waited = ours.acquire('again')
    if (blocker !== null) await mustStayBlocked(waited)
    blocker?.release()
    const hold = await waited
    log.length = 0
    hold.release()
    // Not at once, or it would be handed over.
    await until('it is on its way', () => log.length > 0)
    ;(await ours.acquire('again')).release()
    expect(log.slice(0, 4)).toEqual([`late ${unlock}`, `sent ${unlock}`, `answered ${unlock}`, 'sent try_exclusive'])
    await until('all is let go of', async () => (await server.locks()) === 0)
  }
})

test.skipIf(skip)(
  'a lock that is asked for in the turn in which it, or another one, is let go of costs one statement with that',
  async () => {
    const { ours, log } = await world(/^never/)
    let hold = await ours.acquire('one')
    for (const name of ['one', 'two', 'one']) {
      log.length = 0
      hold.release()
      hold = await ours.acquire(name)
      expect(log).toEqual(['sent try_instead', 'answered try_instead'])
      expect(await server.locks()).toBe(1)
    }
    hold.release()
  },
)

test.skipIf(skip)('who takes one lock after another waits for one statement each', async () => {
  const { ours, log } = await world(/^never/)
  const section = async (): Promise<string> => await Promise.resolve('done')
  const names = ['first', 'second', 'second', 'third']
  for (const name of names) await ours.withLock(name, section)
  await ours.flush()
  const sent = log.filter((line) => line.startsWith('sent'))
  expect(sent).toEqual(['sent try_exclusive', ...names.slice(1).map(() => 'sent try_instead'), 'sent unlock_exclusive'])
})

test.skipIf(skip)('who waits is not overtaken by who lets go and asks again in one turn', async () => {
  const { ours, theirs } = await world(/^never/)
  let hold = await ours.acquire('turns')
  for (let round = 0; round < 3; round++) {
    const waiting = theirs.acquire('turns')
    await until('they wait', async () => (await ours.inspect('turns')).waiting === 1)
    hold.release()
    const again = ours.acquire('turns')
    const theirHold = await waiting
    await mustStayBlocked(again)
    theirHold.release()
    hold = await again
  }
  hold.release()
})
