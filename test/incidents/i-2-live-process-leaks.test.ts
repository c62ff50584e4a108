// Incident I-2: in a gateway that lives on, a run fails and never reaches its release. Its process id is alive, so the lock
// file looks healthy, and the only other rule is an age of 30 minutes: one leak paralyses one session for so long. The same
// script on both protocols; with holdfast for each of the ways in which such a lock comes back.
import { describe, expect, test } from 'vitest'

import * as holdfast from '../../src/index.js'
import { holdfastLanes, lockFileLanes, type Lane } from '../fixtures/incident-lanes.mjs'
import { file } from '../helpers/target.js'
import { Gateway, type Habits, type Protocol } from './gateway.js'
import { message } from './message.js'
import { MINUTE, SECOND, TurnedTime } from './turned-time.js'

const RULES = { timeout: 10 * SECOND, staleAge: 30 * MINUTE, checksPid: true }

/** What brings the lock back is the only thing that could: in all but the first the run's lock stays in reach for ever. */
const REMEDIES: [what: string, habits: Habits][] = [
  ['the garbage collector finds that the lock is out of reach', {}],
  ['the hold has lasted as long as its maxHold', { keepsInReach: true, maxHold: 100 }],
  ["the run's scope ends, and its lane with it", { keepsInReach: true, endsLanes: true }],
  ['a handler of unhandled rejections calls releaseAll()', { keepsInReach: true, releasesAllOn: 'unhandledRejection' }],
  [
    'a handler of uncaught exceptions calls releaseAll()',
    { keepsInReach: true, fails: 'uncaughtException', releasesAllOn: 'uncaughtException' },
  ],
]

/** A run fails in its section and leaks its lock; the gateway lives on and collects its garbage. */
async function leakingRun(protocol: Protocol, habits: Habits, path: string): Promise<Gateway> {
  const gateway = await Gateway.start(protocol, { rules: RULES, habits })
  expect(await gateway.ask<string>('run', path)).toBe(habits.fails ?? 'unhandledRejection')
  await gateway.ask('collectGarbage')
  return gateway
}

/** What becomes of a message now; for ever if it waits for ever. */
async function messageTo(gateway: Gateway, lane: Lane, path: string): Promise<string> {
  const outcome = await message(lane, path)
  expect(gateway.alive).toBe(true)
  return outcome
}

describe.each(REMEDIES)('when %s', (_what, habits) => {
  // Those lock files knew no bound but the stale age.
  const unbounded = { ...habits, maxHold: undefined }

  test('with lock files the session is paralysed for 30 minutes', async () => {
    const path = file()
    const time = new TurnedTime()
    const lane = lockFileLanes({ ...RULES, time }).lane('message')
    const gateway = await leakingRun('lock-file', unbounded, path)
    const locked = `session file locked (timeout 10000ms): pid=${gateway.pid} ${path}.lock`

    expect(await messageTo(gateway, lane, path)).toBe(locked)
    await time.sleep(15 * MINUTE)
    expect(await messageTo(gateway, lane, path)).toBe(locked)
    await time.sleep(14 * MINUTE)
    expect(await messageTo(gateway, lane, path)).toBe(locked)
    await time.sleep(MINUTE)
    expect(await messageTo(gateway, lane, path)).toBe('written')
  })

  test('with holdfast the next message is written while the gateway lives', async () => {
    const path = file()
    const gateway = await leakingRun('holdfast', habits, path)
    // No time-out: nothing but the end of the leaked hold can let it in.
    const lane = holdfastLanes(holdfast, { timeout: Infinity }).lane('message')
    expect(await messageTo(gateway, lane, path)).toBe('written')
  })
})

test('with holdfast the process that leaked a lock is warned of it, and told where that was acquired', async () => {
  const path = file()
  const gateway = await leakingRun('holdfast', {}, path)
  await messageTo(gateway, holdfastLanes(holdfast, { timeout: Infinity }).lane('message'), path)

  const warnings = await gateway.ask<{ code: string; message: string }[]>('warnings')
  expect(warnings).toEqual([
    {
      code: 'HOLDFAST_LEAK',
      message: expect.stringMatching(/never released.* Acquired\nat .*incident-lanes\.mjs:\d+/) as string,
    },
  ])
  expect(warnings[0]?.message).toContain(path)
})

test('with holdfast whoever comes after a leaked hold is told that its section never ended well', async () => {
  const path = file()
  await leakingRun('holdfast', { keepsInReach: true, maxHold: 100 }, path)
  const hold = await holdfast.acquire(path, { timeout: Infinity })
  expect(hold.recoveredFrom).toMatchObject({ owner: 'run', state: 'revoked', reason: 'max-hold' })
})
