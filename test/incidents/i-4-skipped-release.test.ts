// Incident I-4: a `finally` cleans up before it releases, the cleaning fails, and the release is skipped. Re-entrancy counts
// by path, so the leaked count lets others in; it never drains, and the file is never removed. After a restart its process
// id belongs to somebody else, and the lock can never be reclaimed. The same scripts on both protocols.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'

import { expect, onTestFinished, test } from 'vitest'

import * as holdfast from '../../src/index.js'
import { holdfastLanes, lockFileLanes, type Lane, type Lanes } from '../fixtures/incident-lanes.mjs'
import { Agent } from '../helpers/agent.js'
import { file } from '../helpers/target.js'
import { Gateway, type Protocol } from './gateway.js'
import { message } from './message.js'
import { MINUTE, SECOND, TurnedTime } from './turned-time.js'

/** Whoever is alive keeps the lock, whatever its age. */
const RULES = { timeout: 10 * SECOND, staleAge: Infinity, checksPid: true }

type Step = () => Promise<void>

/** How many runs were inside at once, at most. */
class Inside {
  most = 0
  private now = 0

  readonly section: Step = async () => {
    this.now++
    this.most = Math.max(this.most, this.now)
    // Others get the chance to come in.
    for (let turns = 0; turns < 3; turns++) await turn()
    this.now--
  }
}

const CLEAN: Step[] = [async () => {}, async () => {}, async () => {}]
const FAILING: Step[] = [async () => {}, () => Promise.reject(new Error('the clean-up failed')), async () => {}]

/** As the report shows it: the release comes last, after whatever may fail. */
async function run(lane: Lane, path: string, section: Step, cleanUp: Step[]) {
  const lock = await lane.acquire(path)
  try {
    await section()
  } finally {
    for (const step of cleanUp) await step()
    lock.release()
  }
}

/** The same in a lane that ends with its scope, as `using lane = …` makes it. */
async function scopedRun(lanes: Lanes, name: string, path: string, section: Step, cleanUp: Step[]) {
  const lane = lanes.lane(name)
  try {
    await run(lane, path, section, cleanUp)
  } finally {
    lane.end()
  }
}

/** A run whose clean-up fails; then two runs at once; then another process. */
async function skippedRelease(lanes: Lanes, elsewhere: () => Promise<string>, path: string) {
  const inside = new Inside()
  const failing = scopedRun(lanes, 'failing', path, inside.section, FAILING)
  await expect(failing).rejects.toThrow('the clean-up failed')
  await Promise.all([
    scopedRun(lanes, 'one', path, inside.section, CLEAN),
    scopedRun(lanes, 'two', path, inside.section, CLEAN),
  ])
  return { most: inside.most, elsewhere: await elsewhere() }
}

test('with lock files a skipped release lets two runs in at once, and everybody else out for ever', async () => {
  const path = file()
  const time = new TurnedTime()
  const lanes = lockFileLanes({ ...RULES, reentrant: true, time })
  const elsewhere = () => message(lockFileLanes({ ...RULES, time }).lane('elsewhere'), path)

  const locked = `session file locked (timeout 10000ms): pid=${process.pid} ${path}.lock`
  expect(await skippedRelease(lanes, elsewhere, path)).toEqual({ most: 2, elsewhere: locked })
  // Every later release counts down to one, and never to none.
  expect(existsSync(`${path}.lock`)).toBe(true)
  await time.sleep(24 * 60 * MINUTE)
  expect(await elsewhere()).toBe(locked)
})

test('with holdfast a skipped release ends with the scope of its lane: runs come in one by one, and others after them', async () => {
  const path = file()
  // No time-out: nothing but the end of the failing run's hold can let them in.
  const lanes = holdfastLanes(holdfast, { timeout: Infinity })
  const agent = await Agent.start()
  const elsewhere = async () => {
    await agent.release(await agent.acquire(path, { timeout: Infinity }))
    return 'written'
  }
  expect(await skippedRelease(lanes, elsewhere, path)).toEqual({ most: 1, elsewhere: 'written' })
})

test('with holdfast a hold that leaks although its lane goes on lets nobody in, and an event and an error name its lane', async () => {
  const path = file()
  const failures: unknown[] = []
  const note = (failure: unknown) => void failures.push(failure)
  subscribe('tracing:holdfast:acquire:error', note)
  onTestFinished(() => void unsubscribe('tracing:holdfast:acquire:error', note))

  const lane = holdfastLanes(holdfast).lane('leaking')
  // In reach, or the garbage collector would free it.
  const leaked: holdfast.Hold[] = []
  const leaking: Lane = {
    ...lane,
    async acquire(...request) {
      const hold = await lane.acquire(...request)
      leaked.push(hold)
      return hold
    },
  }
  await expect(run(leaking, path, async () => {}, FAILING)).rejects.toThrow('the clean-up failed')
  const inside = new Inside()
  const later = holdfastLanes(holdfast, { timeout: 20 })
  const dropped = run(later.lane('later'), path, inside.section, CLEAN)

  const error = { code: 'ERR_LOCK_TIMEOUT', path, holder: { owner: 'leaking', here: true } }
  await expect(dropped).rejects.toMatchObject(error)
  await expect(dropped).rejects.toThrow(/"leaking"/)
  expect(inside.most).toBe(0)
  expect(failures).toEqual([expect.objectContaining({ owner: 'later', path, error: await dropped.catch(asIs) })])

  expect(leaked.map(({ held }) => held)).toEqual([true])
  leaking.end()
  expect(await message(later.lane('again'), path)).toBe('written')
  expect(leaked.map(({ held }) => held)).toEqual([false])
})

function asIs(error: unknown): unknown {
  return error
}

/** A lane enters what it holds already; the inner release happens twice, once in a `catch` and once in a `finally`. */
async function releasedTwice(lanes: Lanes, elsewhere: Lane, path: string): Promise<string> {
  const lane = lanes.lane('main')
  const outer = await lane.acquire(path)
  const inner = await lane.acquire(path)
  inner.release()
  inner.release()
  const intruder = await message(elsewhere, path)
  outer.release()
  expect(await message(elsewhere, path)).toBe('written')
  return intruder
}

test('with lock files the second release of one handle frees what another handle holds', async () => {
  const path = file()
  const time = new TurnedTime()
  const elsewhere = lockFileLanes({ ...RULES, time }).lane('elsewhere')
  expect(await releasedTwice(lockFileLanes({ ...RULES, reentrant: true, time }), elsewhere, path)).toBe('written')
})

test('with holdfast every handle releases itself, once', async () => {
  const path = file()
  const lanes = holdfastLanes(holdfast, { timeout: 0 })
  expect(await releasedTwice(lanes, lanes.lane('elsewhere'), path)).toMatch(/^Timed out .*"main"/)
})

/** A gateway dies inside its section; where `recycled`, its process id belongs to another living process soon after. */
async function deadGateway(protocol: Protocol, path: string, recycled: boolean, sender: Lane): Promise<string[]> {
  const gateway = await Gateway.start(protocol, { rules: RULES })
  await gateway.ask('acquire', path)
  await gateway.kill()
  if (recycled) {
    // Which process gets the number is the system's choice; what the lock file would say then can be chosen here.
    const leftover = path + (protocol === 'holdfast' ? '.hold' : '.lock')
    const text = readFileSync(leftover, 'latin1')
    expect(text).toContain(`"pid":${gateway.pid}`)
    writeFileSync(leftover, text.replace(`"pid":${gateway.pid}`, `"pid":${process.ppid}`), 'latin1')
    if (protocol === 'holdfast') expect(holdfast.inspect(path).record?.pid).toBe(process.ppid)
  }
  return [await message(sender, path), await message(sender, path)]
}

test('with lock files a lock whose process id was given to somebody else can never be reclaimed', async () => {
  const time = new TurnedTime()
  const sender = lockFileLanes({ ...RULES, time }).lane('message')
  expect(await deadGateway('lock-file', file(), false, sender)).toEqual(['written', 'written'])

  const path = file()
  const locked = `session file locked (timeout 10000ms): pid=${process.ppid} ${path}.lock`
  expect(await deadGateway('lock-file', path, true, sender)).toEqual([locked, locked])
  await time.sleep(24 * 60 * MINUTE)
  expect(await message(sender, path)).toBe(locked)
})

test('with holdfast it makes no difference to whom a process id belongs', async () => {
  // One try, and no wait at all.
  const sender = holdfastLanes(holdfast, { timeout: 0 }).lane('message')
  expect(await deadGateway('holdfast', file(), false, sender)).toEqual(['written', 'written'])
  expect(await deadGateway('holdfast', file(), true, sender)).toEqual(['written', 'written'])
})
