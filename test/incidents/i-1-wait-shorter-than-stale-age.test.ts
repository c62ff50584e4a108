// Incident I-1: waits are given up after 10 s, and a lock is stale after 30 s. A run is killed between acquire and release,
// and every message after it fails. The same script on both protocols, with the numbers of the report.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import * as holdfast from '../../src/index.js'
import { holdfastLanes, lockFileLanes, type Lanes } from '../fixtures/incident-lanes.mjs'
import { file } from '../helpers/target.js'
import { Gateway, type Protocol } from './gateway.js'
import { message } from './message.js'
import { SECOND, TurnedTime } from './turned-time.js'

const RULES = { timeout: 10 * SECOND, staleAge: 30 * SECOND }

interface Outage {
  /** What became of each message, in order. */
  messages: string[]
  /** The lock file that the killed run left behind. */
  leftover: string
}

/** A run dies inside its section; then messages come, to a gateway that was started again. */
async function killedRun(protocol: Protocol, path: string, restarted: () => Lanes): Promise<Outage> {
  const gateway = await Gateway.start(protocol, { rules: RULES })
  await gateway.ask('acquire', path)
  await gateway.kill()
  const leftover = readFileSync(path + (protocol === 'holdfast' ? '.hold' : '.lock'), 'latin1')
  expect(leftover).toContain(`"pid":${gateway.pid}`)

  const messages = []
  for (let count = 0; count < 4; count++) messages.push(await message(restarted().lane('message'), path))
  return { messages, leftover }
}

test('with lock files every message fails until the dead run is older than the stale age', async () => {
  const path = file()
  const time = new TurnedTime()
  const { messages } = await killedRun('lock-file', path, () => lockFileLanes({ ...RULES, time }))

  const locked = expect.stringMatching(/^session file locked \(timeout 10000ms\): pid=\d+/) as string
  // Three waits of 10 s for nothing; only during the fourth is the file old enough.
  expect(messages).toEqual([locked, locked, locked, 'written'])
})

test('with holdfast every message is written, and none has to wait', async () => {
  const path = file()
  // One try, and no wait at all: a lock that is free a moment later would be too late.
  const { messages } = await killedRun('holdfast', path, () => holdfastLanes(holdfast, { timeout: 0 }))
  expect(messages).toEqual(['written', 'written', 'written', 'written'])
})

test('with holdfast a message that waits when the run is killed is written, without a time-out or an age', async () => {
  const path = file()
  const gateway = await Gateway.start('holdfast')
  await gateway.ask('acquire', path)
  const waiting = message(holdfastLanes(holdfast, { timeout: Infinity }).lane('message'), path)
  await gateway.kill()
  expect(await waiting).toBe('written')
})

test('with holdfast a lock file that lies around means nothing, whatever it says and however young it is', async () => {
  const path = file()
  const { leftover } = await killedRun('holdfast', path, () => holdfastLanes(holdfast, { timeout: 0 }))
  const lanes = holdfastLanes(holdfast, { timeout: 0 })

  // As the killed run left it, which nobody has touched since: held, by a dead process, and not a moment old.
  writeFileSync(`${path}.hold`, leftover, 'latin1')
  expect(await message(lanes.lane('message'), path)).toBe('written')
  // The same, by a process that is alive.
  writeFileSync(`${path}.hold`, leftover.replace(/"pid":\d+/, `"pid":${process.ppid}`), 'latin1')
  expect(await message(lanes.lane('message'), path)).toBe('written')
  // And a lock file of the other protocol.
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, createdAt: Date.now() }))
  expect(await message(lanes.lane('message'), path)).toBe('written')
  expect(existsSync(`${path}.lock`)).toBe(true)
})
