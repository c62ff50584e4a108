// Incident I-3: two lanes of one process want one transcript. The holder's call takes longer than a minute; the other lane
// gives up after 60 s, but the lock may live for 17 minutes, and it outlives the lane that took it. The same scripts on
// both protocols, with the numbers of the report.
import { setImmediate as turn } from 'node:timers/promises'

import { expect, test } from 'vitest'

import * as holdfast from '../../src/index.js'
import { holdfastLanes, lockFileLanes, type Lane, type Lanes } from '../fixtures/incident-lanes.mjs'
import { file } from '../helpers/target.js'
import { until } from '../helpers/until.js'
import { Gateway, type Protocol } from './gateway.js'
import { message } from './message.js'
import { MINUTE, SECOND, TurnedTime } from './turned-time.js'

const RULES = { timeout: 60 * SECOND, staleAge: 30 * MINUTE, checksPid: true }
/** What the holder wrote down, for itself. */
const MAX_HOLD = 17 * MINUTE

/** A lane that holds its lock over a call, and goes on with it whatever becomes of the lane. */
async function runOverCall<Lock extends { release(): void }>(lane: Lane<Lock>, path: string) {
  const lock = await lane.acquire(path, { maxHold: MAX_HOLD })
  let answer: () => void = () => {}
  const call = new Promise<void>((resolve) => (answer = resolve))
  const over = call.then(() => lock.release())
  return { lock, answer, over }
}

/** The main lane has its call under the lock and times out; the session's lane waits, and sends a message each minute. */
async function race(protocol: Lanes, path: string, between: () => Promise<void>): Promise<string[]> {
  const timedOut = new AbortController()
  const main = await runOverCall(protocol.lane('main', timedOut.signal), path)
  const session = protocol.lane('session')

  const waiting = message(session, path)
  timedOut.abort(new Error('the lane timed out'))
  const messages = [await waiting]
  for (let count = 0; count < 9; count++) {
    await between()
    messages.push(await message(session, path))
  }
  main.answer()
  await main.over
  return messages
}

test('with lock files the other lane times out again and again, long after the lane that holds the lock is over', async () => {
  const path = file()
  const time = new TurnedTime()
  const locked = `session file locked (timeout 60000ms): pid=${process.pid} ${path}.lock`

  const messages = await race(lockFileLanes({ ...RULES, time }), path, () => time.sleep(MINUTE))
  // A minute of waiting for each, and a minute between two: 17 minutes.
  expect(messages).toEqual([...Array<string>(9).fill(locked), 'written'])
})

test('with holdfast the lock ends with its lane, and the lane that waits has it', async () => {
  const path = file()
  // No time-out: nothing but the end of the first lane's hold can let the other one in.
  const lanes = holdfastLanes(holdfast, { timeout: Infinity })
  expect(await race(lanes, path, () => turn())).toEqual(Array<string>(10).fill('written'))
})

/** The lane that lost its lock gets its answer at last, and releases, while another lane is inside. */
async function lateRelease(protocol: Lanes, path: string, untilFree: () => Promise<void>): Promise<string> {
  const timedOut = new AbortController()
  const main = await runOverCall(protocol.lane('main', timedOut.signal), path)
  timedOut.abort(new Error('the lane timed out'))
  await untilFree()
  const inside = await protocol.lane('session').acquire(path)
  main.answer()
  await main.over
  const intruder = await message(protocol.lane('intruder'), path)
  inside.release()
  return intruder
}

test('with lock files the zombie lane frees the lock that another lane has by now', async () => {
  const time = new TurnedTime()
  const lanes = lockFileLanes({ ...RULES, time })
  expect(await lateRelease(lanes, file(), () => time.sleep(MAX_HOLD))).toBe('written')
})

test('with holdfast the zombie lane releases its own hold only, which has ended already', async () => {
  const path = file()
  // One try: whoever is inside is not waited for.
  const lanes = holdfastLanes(holdfast, { timeout: 0 })
  expect(await lateRelease(lanes, path, async () => {})).toMatch(/^Timed out after \d+ ms waiting for .*"session"/)
})

test('with holdfast the lane that timed out is told, and cannot write while another lane has the lock', async () => {
  const path = file()
  const timedOut = new AbortController()
  const reason = new Error('the lane timed out')
  const lanes = holdfastLanes(holdfast, { timeout: Infinity })
  const { lock } = await runOverCall(lanes.lane('main', timedOut.signal), path)
  const { signal } = lock
  const waiting = lanes.lane('session').acquire(path)
  timedOut.abort(reason)

  expect(lock.held).toBe(false)
  expect(signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'owner-closed', cause: reason })
  const session = await waiting
  let written = false
  const writing = lock.guard(() => {
    written = true
  })
  await expect(writing).rejects.toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'owner-closed' })
  expect(written).toBe(false)
  expect(session.held).toBe(true)
})

test('with holdfast all that a lane waits for is rejected with it, while the lock is held, and it never takes a lock again', async () => {
  const path = file()
  const timedOut = new AbortController()
  const reason = new Error('the lane timed out')
  const lane = holdfastLanes(holdfast, { timeout: Infinity }).lane('main', timedOut.signal)
  const other = await holdfast.acquire(path)
  const waiting = [lane.acquire(path), lane.acquire(path)]
  timedOut.abort(reason)

  const closed = { code: 'ERR_LOCK_OWNER_CLOSED', cause: reason }
  for (const wait of waiting) await expect(wait).rejects.toMatchObject(closed)
  expect(other.held).toBe(true)
  other.release()
  await expect(lane.acquire(path)).rejects.toMatchObject(closed)
  expect(holdfast.tryAcquire(path)?.held).toBe(true)
})

test('with holdfast no hold is bounded by more than its lane is', async () => {
  const path = file()
  const lane = holdfastLanes(holdfast, { maxHold: 60 * SECOND }).lane('main')
  const hold = await lane.acquire(path, { maxHold: MAX_HOLD })
  expect(holdfast.holds().map(({ remaining }) => (remaining ?? Infinity) <= 60 * SECOND)).toEqual([true])
  hold.release()
})

test('with holdfast the error of a wait says that it was shorter than what its holder has left', async () => {
  const path = file()
  const hold = await holdfastLanes(holdfast).lane('main').acquire(path, { maxHold: MAX_HOLD })
  const waiting = holdfastLanes(holdfast, { timeout: 20 }).lane('session').acquire(path)

  await expect(waiting).rejects.toMatchObject({
    code: 'ERR_LOCK_TIMEOUT',
    holder: { here: true, owner: 'main', maxHold: MAX_HOLD },
  })
  const bound = `its maxHold of ${MAX_HOLD} ms ends it in 17 min, too late for a timeout of 20 ms`
  await expect(waiting).rejects.toThrow(bound)
  hold.release()
})

const LANES = 100

/** A gateway with many lanes that wait for a lock which is held here. */
async function queueOfLanes(protocol: Protocol, path: string) {
  const gateway = await Gateway.start(protocol, { rules: { ...RULES, poll: 10 } })
  // Once before: what happens on the first occasion only is not counted.
  await gateway.ask('idleWork')
  const idle = await gateway.ask<number>('idleWork')
  await gateway.ask('queue', path, LANES)
  return { gateway, idle, waiting: await gateway.ask<number>('idleWork') }
}

/** The gateway tears its lanes down, and then the lock is free for a message, which comes last. */
async function softRestart(
  gateway: Gateway,
  holder: { release(): void },
  meanwhile: () => Promise<void>,
  sender: Lane,
  path: string,
) {
  await gateway.ask('restart')
  holder.release()
  await meanwhile()
  const written = await message(sender, path)
  return { written, outcomes: await gateway.ask<string[]>('outcomes') }
}

test('with lock files lanes that wait keep the event loop busy, and a restart leaves them behind as zombies', async () => {
  const path = file()
  const holder = await lockFileLanes(RULES).lane('main').acquire(path)
  const { gateway, idle, waiting } = await queueOfLanes('lock-file', path)
  expect(waiting).toBeGreaterThan(idle + LANES)

  const granted = async () => (await gateway.ask<string[]>('outcomes')).filter((outcome) => outcome === 'granted')
  const sender = lockFileLanes({ ...RULES, time: new TurnedTime() }).lane('message')
  const zombie = () => until('a lane that was torn down has the lock', async () => (await granted()).length > 0)
  const { written } = await softRestart(gateway, holder, zombie, sender, path)
  expect(written).toBe(`session file locked (timeout 60000ms): pid=${gateway.pid} ${path}.lock`)
  expect(await granted()).toHaveLength(1)
})

test('with holdfast lanes that wait give the event loop nothing to do, and a restart leaves none of them behind', async () => {
  const path = file()
  const holder = await holdfast.acquire(path)
  const { gateway, idle, waiting } = await queueOfLanes('holdfast', path)
  expect(waiting).toBe(idle)

  const sender = holdfastLanes(holdfast, { timeout: Infinity }).lane('message')
  const { written, outcomes } = await softRestart(gateway, holder, async () => {}, sender, path)
  expect(written).toBe('written')
  expect(outcomes).toEqual(Array<string>(LANES).fill('ERR_LOCK_OWNER_CLOSED'))
})
