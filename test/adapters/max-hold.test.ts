// What maxHoldMs promises: this process's hold ends and its handle is fenced; nobody else comes in while what is guarded runs.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { __testing, acquireSessionWriteLock } from '../../src/adapters/session-write-lock.js'
import { inspect, releaseAll, tryAcquire } from '../../src/index.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { Gateway, sessionFile } from './gateway.js'

const { runLockWatchdogCheck } = __testing

test('a hold ends at its bound while the event loop is blocked, and its handle is fenced from then on', async () => {
  const file = sessionFile()
  const folder = scratch()
  const [blocked, go] = [join(folder, 'blocked'), join(folder, 'go')]
  const gateway = await Gateway.start()
  const held = await gateway.acquire({ sessionFile: file, maxHoldMs: 100 })
  const told = gateway.ask<unknown>('blockAndTell', held, blocked, go)
  await until('it is blocked', () => existsSync(blocked))
  const next = await acquireSessionWriteLock({ sessionFile: file, timeoutMs: Infinity })
  writeFileSync(go, '')
  expect(await told).toEqual({
    held: false,
    later: false,
    reason: 'max-hold',
    refused: 'ERR_LOCK_LOST',
    called: false,
    asserted: 'ERR_LOCK_LOST',
  })
  expect(next.held).toBe(true)
})

test('a guarded write that outlasts the bound keeps everybody out until it is done', async () => {
  const file = sessionFile()
  const folder = scratch()
  const gateway = await Gateway.start()
  const held = await gateway.acquire({ sessionFile: file, maxHoldMs: 50 })
  const guarded = gateway.ask<boolean>('guard', held, folder)
  await until('it is inside', () => existsSync(join(folder, 'in')))
  const next = acquireSessionWriteLock({ sessionFile: file, timeoutMs: Infinity }).then(() =>
    existsSync(join(folder, 'out')),
  )
  await until('its bound is over', async () => !(await gateway.ask<boolean>('isHeld', held)))
  await mustStayBlocked(next)
  writeFileSync(join(folder, 'go'), '')
  expect(await next).toBe(true)
  expect(await guarded).toBe(false)
})

test('release() does not wait for a guard, and the lock does', async () => {
  const file = sessionFile()
  const lock = await acquireSessionWriteLock({ sessionFile: file })
  let end = (): void => {}
  const guarded = lock.guard(() => new Promise<void>((resolve) => (end = resolve)))
  await lock.release()
  expect(lock.held).toBe(false)
  expect(tryAcquire(file)).toBeNull()
  end()
  await guarded
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})

test('each handle of one session has a bound of its own', async () => {
  const file = sessionFile()
  const outer = await acquireSessionWriteLock({ sessionFile: file, maxHoldMs: 20 })
  const inner = await acquireSessionWriteLock({ sessionFile: file, maxHoldMs: 60_000, allowReentrant: true })
  await until('the outer one is over', () => !outer.held)
  expect(inner.held).toBe(true)
  expect(tryAcquire(file)).toBeNull()
  await inner.release()
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})

test('the check of gateways ends what is overdue at the time it is given, and nothing else', async () => {
  const [file, other] = [sessionFile(), sessionFile()]
  const lock = await acquireSessionWriteLock({ sessionFile: file, maxHoldMs: 60_000 })
  const longer = await acquireSessionWriteLock({ sessionFile: other, maxHoldMs: 600_000 })
  expect(await runLockWatchdogCheck()).toBe(0)
  expect(await runLockWatchdogCheck(Date.now() + 120_000)).toBe(1)
  expect([lock.held, longer.held]).toEqual([false, true])
  expect(lock.signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST', reason: 'max-hold' })
  using hold = tryAcquire(file)
  expect(hold?.recoveredFrom).toMatchObject({ state: 'revoked', reason: 'max-hold' })
  expect(await runLockWatchdogCheck(Date.now() + 120_000)).toBe(0)
  expect(await runLockWatchdogCheck(Date.now() + 1_200_000)).toBe(1)
})

test('the check counts what ended at its bound although many were acquired since', async () => {
  const locks = await Promise.all(
    Array.from({ length: 100 }, () => acquireSessionWriteLock({ sessionFile: sessionFile(), maxHoldMs: 1 })),
  )
  await until('they are over', () => locks.every(({ held }) => !held))
  const more = await Promise.all(
    Array.from({ length: 100 }, () => acquireSessionWriteLock({ sessionFile: sessionFile(), maxHoldMs: 60_000 })),
  )
  expect(await runLockWatchdogCheck()).toBe(locks.length)
  expect(await runLockWatchdogCheck()).toBe(0)
  for (const lock of more) await lock.release()
})

test('the check counts what ended at its bound by itself, once, and nothing that ended another way', async () => {
  const files = [sessionFile(), sessionFile(), sessionFile()]
  const [lock, , released] = await Promise.all(
    files.map((file, index) => acquireSessionWriteLock({ sessionFile: file, maxHoldMs: index === 0 ? 1 : 60_000 })),
  )
  await until('it is over', () => lock?.held === false)
  await released?.release()
  releaseAll('something else')
  expect(await runLockWatchdogCheck()).toBe(1)
  expect(await runLockWatchdogCheck()).toBe(0)
  await lock?.release()
})

test('a handle that was released late is not counted', async () => {
  const lock = await acquireSessionWriteLock({ sessionFile: sessionFile(), maxHoldMs: 1 })
  await until('it is over', () => !lock.held)
  await lock.release()
  expect(await runLockWatchdogCheck()).toBe(0)
})

test.for([false, true])(
  'a lock whose handle was lost goes free long before its bound, legacyPeer: %s',
  async (legacyPeer) => {
    const file = sessionFile()
    const gateway = await Gateway.start()
    const held = await gateway.acquire({ sessionFile: file, legacyPeer })
    await gateway.ask('collect', 5)
    expect(inspect(file).state).toBe('held')
    await gateway.ask('lose', held)
    const next = acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: Infinity })
    await gateway.ask('collect', 20)
    expect((await next).held).toBe(true)
  },
)
