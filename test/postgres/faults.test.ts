// Each operation with each of its statements going wrong, in each way: it settles with an error that says what it is, or does
// what it should; who is said to hold a lock holds it; and in the end nothing is left in the database.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { isLockError, type Hold } from '../../src/index.js'
import { openPostgres, pgAdapter, type RemoteHoldfast } from '../../src/postgres.js'
import { missing } from '../helpers/capabilities.js'
import { until } from '../helpers/until.js'
import { faults, Saboteur } from './saboteur.js'
import { PostgresServer, postgresServer } from './server.js'

const skip = missing(postgresServer)
/** So short that silence does not last. */
const heartbeat = { every: 50, answer: 100, server: 1500 }
const ALL = /./
/** All but those that begin a session. */
const LATER = /^execute|pg_cancel_backend|^select pg_backend_pid\(\)::text as pid$|where pid in/

/** All of them take minutes: then those by which locks go from one session to another. */
const long = process.env['HOLDFAST_POSTGRES_FAULTS'] === 'all'
const MOVING = long ? LATER : /^execute take_/

let server: PostgresServer
let theirs: RemoteHoldfast
beforeAll(async () => {
  if (skip) return
  server = await PostgresServer.start('max_connections=200')
  theirs = await openPostgres({ connection: server.url, namespace: 'faults' })
})
afterAll(async () => {
  if (skip) return
  await theirs.close()
  await server.stop()
})

interface Attempt {
  readonly ours: RemoteHoldfast
  readonly name: string
  /** Held, if the database says so as well. */
  readonly check: (hold: Hold) => Promise<void>
  /** Somebody else holds it until the end of `during`, which begins when ours waits or has failed. */
  readonly contended: <T>(names: readonly string[], wait: () => Promise<T>, during?: () => void) => Promise<T>
}

const operations: Record<string, { statements: RegExp; run: (attempt: Attempt) => Promise<unknown> }> = {
  'a lock that is free': {
    statements: ALL,
    async run({ ours, name, check }) {
      const hold = await ours.acquire(name)
      await check(hold)
      hold.release()
    },
  },
  'a shared lock': {
    statements: ALL,
    async run({ ours, name }) {
      const hold = await ours.acquire(name, { mode: 'shared' })
      hold.release()
    },
  },
  'a lock that is let go of and asked for in one turn, the same and another one': {
    statements: ALL,
    async run({ ours, name, check }) {
      let hold = await ours.acquire(name)
      for (const next of [name, `${name} other`]) {
        hold.release()
        hold = await ours.acquire(next)
        await check(hold)
      }
      hold.release()
    },
  },
  'a try': {
    statements: ALL,
    async run({ ours, name, check }) {
      const hold = await ours.tryAcquire(name)
      if (hold !== null) await check(hold)
      hold?.release()
    },
  },
  'a try of what somebody else holds': {
    statements: ALL,
    run: ({ ours, name, contended }) =>
      contended([name], async () => {
        expect(await ours.tryAcquire(name)).toBeNull()
        await ours.acquire(name, { timeout: 0 })
      }),
  },
  'several locks': {
    statements: ALL,
    async run({ ours, name }) {
      const set = await ours.acquireAll([`${name} a`, `${name} b`, `${name} c`])
      set.release()
    },
  },
  'a section': {
    statements: ALL,
    run: ({ ours, name, check }) => ours.withLock(name, check),
  },
  'a wait that is granted': {
    statements: long ? ALL : LATER,
    async run({ ours, name, check, contended }) {
      const hold = await contended([name], () => ours.acquire(name, { timeout: 5000 }))
      await check(hold)
      hold.release()
    },
  },
  'a wait that is given up': {
    statements: LATER,
    async run({ ours, name, contended }) {
      const controller = new AbortController()
      const { signal } = controller
      await contended(
        [name],
        () => ours.acquire(name, { signal }).catch(onlyEnough),
        () => controller.abort('enough'),
      )
    },
  },
  'a wait that runs out': {
    statements: LATER,
    run: ({ ours, name, contended }) => contended([name], () => ours.acquire(name, { timeout: 30 })),
  },
  'more waits than sessions, exclusive': { statements: MOVING, run: (attempt) => crowd(attempt, 'exclusive') },
  'more waits than sessions, shared': { statements: MOVING, run: (attempt) => crowd(attempt, 'shared') },
  'an inspection': { statements: ALL, run: ({ ours, name }) => ours.inspect(name) },
  'an end with a hold and a wait': {
    statements: LATER,
    async run({ ours, name, contended }) {
      await ours.acquire(`${name} a`, { keep: true })
      const wait = contended(
        [name],
        () => ours.acquire(name),
        () => void ours.close(),
      )
      await wait.catch(() => {})
      await ours.close()
    },
  },
}

async function crowd({ ours, name, check, contended }: Attempt, mode: 'exclusive' | 'shared'): Promise<void> {
  const names = [1, 2, 3, 4, 5].map((number) => `${name} ${number}`)
  const waits = await contended(names, () =>
    Promise.allSettled(names.map((one) => ours.acquire(one, { mode, timeout: 10_000 }))),
  )
  for (const wait of waits) {
    if (wait.status === 'rejected') {
      expect(wait.reason).not.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' }) // a session is found for each
      throw wait.reason
    }
    if (mode === 'exclusive') await check(wait.value)
  }
  ours.releaseAll()
}

function onlyEnough(reason: unknown): void {
  if (reason !== 'enough') throw reason
}

const overlaps: string[] = []
let attempts = 0

/** False when there is no such statement any more. */
async function attempt(
  operation: keyof typeof operations,
  fault: (typeof faults)[number],
  which: number,
): Promise<boolean> {
  const found = operations[operation]
  if (found === undefined) throw new Error('no operation')
  const saboteur = new Saboteur(pgAdapter(server.url), fault, which, found.statements)
  const number = ++attempts
  const application = `attempt ${number}`
  const ours = await openPostgres({ adapter: saboteur, namespace: 'faults', heartbeat, application })
  const name = `${operation} ${number}`
  const check = async (hold: Hold): Promise<void> => {
    const other = await theirs.tryAcquire(hold.path)
    if (other !== null && hold.held) overlaps.push(`${operation}, ${fault} ${which}`)
    other?.release()
  }
  const contended: Attempt['contended'] = async (names, wait, during = () => {}) => {
    const set = await theirs.acquireAll(names)
    const state = { settled: false }
    const waiting = wait().finally(() => (state.settled = true))
    waiting.catch(() => {})
    const arrived = async () =>
      (await Promise.all(names.map((one) => theirs.inspect(one)))).some((one) => one.waiting > 0)
    await until('it waits, or has failed', async () => state.settled || (await arrived()))
    during()
    set.release()
    return await waiting
  }
  saboteur.arm()
  try {
    await found.run({ ours, name, check, contended })
  } catch (error) {
    if (!isLockError(error)) throw error
  }
  ours.releaseAll()
  await ours.flush()
  const left = (): Promise<object[]> =>
    server.query(`select 1 from pg_locks l join pg_stat_activity a using (pid)
      where locktype = 'advisory' and application_name = '${application}'`)
  await until(`nothing is left of ${operation}, ${fault} ${which}`, async () => (await left()).length === 0)
  await ours.close()
  return saboteur.struck
}

describe.skipIf(skip).each(Object.keys(operations))('%s', (operation) => {
  test('settles, excludes and leaves nothing, whichever statement goes wrong', { timeout: 600_000 }, async () => {
    const struck = await Promise.all(
      faults.map(async (fault) => {
        let which = 1
        while (await attempt(operation, fault, which)) which++
        return which - 1
      }),
    )
    expect(Math.min(...struck)).toBeGreaterThan(0)
    expect(overlaps).toEqual([])
    console.log(`${struck.reduce((sum, one) => sum + one, 0)} statements went wrong`)
  })
})
