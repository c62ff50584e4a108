// Numbers out of configurations and environments: what wins, what is passed over, what is clamped.
import { expect, onTestFinished, test } from 'vitest'

import {
  acquireSessionWriteLock,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
} from '../../src/adapters/session-write-lock.js'
import { inspect } from '../../src/index.js'
import { sessionFile } from './gateway.js'

const DEFAULTS = { timeoutMs: 60_000, staleMs: 1_800_000, maxHoldMs: 300_000 }
const PREFIX = 'OPENCLAW_SESSION_WRITE_LOCK_'

function environment(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [PREFIX + name, value]))
}

const config = { session: { writeLock: { acquireTimeoutMs: 90_000, staleMs: 45_000, maxHoldMs: 30_000 } } }
const CONFIGURED = { timeoutMs: 90_000, staleMs: 45_000, maxHoldMs: 30_000 }

test.for([undefined, null, {}, { session: {} }, { session: { writeLock: {} } }])(
  'a configuration without numbers has the defaults: %j',
  (empty) => {
    expect(resolveSessionWriteLockOptions(empty, { env: {} })).toEqual(DEFAULTS)
    expect(resolveSessionWriteLockAcquireTimeoutMs(empty, {})).toBe(60_000)
  },
)

test('the configuration wins over the defaults, and the environment over the configuration', () => {
  expect(resolveSessionWriteLockOptions(config, { env: {} })).toEqual(CONFIGURED)
  const env = environment({ ACQUIRE_TIMEOUT_MS: '120000', STALE_MS: ' 60000 ', MAX_HOLD_MS: '50000' })
  expect(resolveSessionWriteLockOptions(config, { env })).toEqual({
    timeoutMs: 120_000,
    staleMs: 60_000,
    maxHoldMs: 50_000,
  })
  expect(resolveSessionWriteLockAcquireTimeoutMs(config, env)).toBe(120_000)
  const one = environment({ STALE_MS: '5' })
  expect(resolveSessionWriteLockOptions(config, { env: one })).toEqual({ ...CONFIGURED, staleMs: 5 })
})

test.for(['', ' ', '0', '-5', '1e3', '0x1000', '1.5', 'NaN', 'soon', '9007199254740993'])(
  'a variable of "%s" is passed over',
  (text) => {
    const env = environment({ ACQUIRE_TIMEOUT_MS: text, STALE_MS: text, MAX_HOLD_MS: text })
    expect(resolveSessionWriteLockOptions(config, { env })).toEqual(CONFIGURED)
    expect(resolveSessionWriteLockOptions(undefined, { env })).toEqual(DEFAULTS)
  },
)

test.for([0, -1, NaN, -Infinity])('a configured %s is passed over', (value) => {
  const bad = { session: { writeLock: { acquireTimeoutMs: value, staleMs: value, maxHoldMs: value } } }
  expect(resolveSessionWriteLockOptions(bad, { env: {} })).toEqual(DEFAULTS)
})

test('only a wait may be endless', () => {
  const endless = { session: { writeLock: { acquireTimeoutMs: Infinity, staleMs: Infinity, maxHoldMs: Infinity } } }
  expect(resolveSessionWriteLockOptions(endless, { env: {} })).toEqual({ ...DEFAULTS, timeoutMs: Infinity })
  const env = environment({ ACQUIRE_TIMEOUT_MS: 'Infinity', STALE_MS: 'Infinity', MAX_HOLD_MS: 'Infinity' })
  expect(resolveSessionWriteLockOptions(config, { env })).toEqual({ ...CONFIGURED, timeoutMs: Infinity })
})

test("a caller's own bound stands in for the default one only", () => {
  const sources = { env: {}, maxHoldMsFallback: 7 }
  expect(resolveSessionWriteLockOptions(undefined, sources).maxHoldMs).toBe(7)
  expect(resolveSessionWriteLockOptions(config, sources).maxHoldMs).toBe(30_000)
  expect(resolveSessionWriteLockOptions(undefined, { env: {}, maxHoldMsFallback: -7 }).maxHoldMs).toBe(300_000)
})

test.for([
  [{ timeoutMs: 600_000 }, 720_000],
  [{ timeoutMs: 1_000 }, 300_000],
  [{ timeoutMs: 1_000, minMs: 5_000 }, 121_000],
  [{ timeoutMs: 1_000, graceMs: 1, minMs: 1 }, 1_001],
  [{ timeoutMs: 180_001 }, 300_001],
  [{ timeoutMs: NaN }, 420_000],
  [{ timeoutMs: 600_000, graceMs: 0, minMs: -1 }, 720_000],
  [{ timeoutMs: Infinity }, 2_147_000_000],
  [{ timeoutMs: 2_147_000_001 }, 2_147_000_000],
  [{ timeoutMs: 2_146_900_000 }, 2_147_000_000],
  [{ timeoutMs: 1, minMs: 3_000_000_000 }, 2_147_000_000],
] as const)('a bound out of the time of the work: %j gives %i', ([params, bound]) => {
  expect(resolveSessionLockMaxHoldFromTimeout(params)).toBe(bound)
})

test('what a caller leaves out comes from the environment of the process', async () => {
  const file = sessionFile()
  const variables = environment({ ACQUIRE_TIMEOUT_MS: '15', MAX_HOLD_MS: '40000' })
  Object.assign(process.env, variables)
  onTestFinished(() => Object.keys(variables).forEach((name) => Reflect.deleteProperty(process.env, name)))
  expect(resolveSessionWriteLockOptions(config)).toEqual({ timeoutMs: 15, staleMs: 45_000, maxHoldMs: 40_000 })
  await acquireSessionWriteLock({ sessionFile: file })
  expect(inspect(file).record?.maxHold).toBe(40_000)
  await expect(acquireSessionWriteLock({ sessionFile: file })).rejects.toMatchObject({ timeoutMs: 15 })
  await acquireSessionWriteLock({ sessionFile: `${file}2`, maxHoldMs: 900_000 })
  expect(inspect(`${file}2`).record?.maxHold).toBe(900_000)
})
