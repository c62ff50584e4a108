// The lock that gateways take: who excludes whom, through which paths, for how long a wait lasts and how it fails.
import fs, { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import { acquireSessionWriteLock, SessionWriteLockTimeoutError } from '../../src/adapters/session-write-lock.js'
import { inspect, isLockError, releaseAll, tryAcquire } from '../../src/index.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { Gateway, sessionFile } from './gateway.js'

test('processes and their lanes write one session one after the other, and lose nothing', async () => {
  const file = sessionFile()
  writeFileSync(file, '0')
  const gateways = await Promise.all([Gateway.start(), Gateway.start(), Gateway.start()])
  await Promise.all(gateways.flatMap((gateway) => [1, 2].map(() => gateway.ask('increment', file, 50, {}))))
  expect(readFileSync(file, 'utf8')).toBe('300')
})

test('two lanes of one process exclude each other', async () => {
  const file = sessionFile()
  const first = await acquireSessionWriteLock({ sessionFile: file })
  const second = acquireSessionWriteLock({ sessionFile: file })
  await mustStayBlocked(second)
  await first.release()
  expect((await second).held).toBe(true)
})

test('the folder of the session is made, however deep, and the session file is not', async () => {
  const file = join(dirname(sessionFile()), 'agents', 'main', 'sessions', 'a.jsonl')
  const lock = await acquireSessionWriteLock({ sessionFile: file })
  expect(existsSync(dirname(file))).toBe(true)
  expect(existsSync(file)).toBe(false)
  await lock.release()
})

test('a folder that is a file is an error, and no endless attempt to make it', async () => {
  const folder = sessionFile()
  writeFileSync(folder, '')
  const attempt = acquireSessionWriteLock({ sessionFile: join(folder, 'a.jsonl') })
  await expect(attempt).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM', cause: { code: 'ENOTDIR' } })
})

test('a folder that vanishes as often as it is made is an error in the end', async () => {
  const file = join(dirname(sessionFile()), 'missing', 'a.jsonl')
  const make = vi.spyOn(fs.promises, 'mkdir').mockResolvedValue(undefined)
  syncBuiltinESMExports() // for those who imported the function by its name
  onTestFinished(() => {
    make.mockRestore()
    syncBuiltinESMExports()
  })
  const attempt = acquireSessionWriteLock({ sessionFile: file, timeoutMs: Infinity })
  await expect(attempt).rejects.toMatchObject({ code: 'ERR_LOCK_SYSTEM', cause: { code: 'ENOENT' } })
})

test('the time-out counts the time in which the folder is made', async () => {
  const file = join(dirname(sessionFile()), 'missing', 'a.jsonl')
  const make = vi.spyOn(fs.promises, 'mkdir').mockImplementation(async () => {
    const end = performance.now() + 30
    mkdirSync(dirname(file))
    tryAcquire(file, { keep: true })
    await until('the deadline is over', () => performance.now() > end)
    return undefined
  })
  syncBuiltinESMExports()
  onTestFinished(() => {
    releaseAll()
    make.mockRestore()
    syncBuiltinESMExports()
  })
  const attempt = acquireSessionWriteLock({ sessionFile: file, timeoutMs: 20 })
  await expect(attempt).rejects.toMatchObject({ timeoutMs: 20, cause: { waited: 0 } })
})

test('it is the lock of the public API: neither goes round the other', async () => {
  const file = sessionFile()
  const lock = await acquireSessionWriteLock({ sessionFile: file })
  expect(tryAcquire(file)).toBeNull()
  expect(inspect(file).record).toMatchObject({ label: 'session-write-lock', pid: process.pid })
  await lock.release()
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
  await expect(acquireSessionWriteLock({ sessionFile: file, timeoutMs: 1 })).rejects.toThrow('session file locked')
})

test('a gateway killed while it holds frees the session at once', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file })
  const waiting = acquireSessionWriteLock({ sessionFile: file, timeoutMs: Infinity })
  await mustStayBlocked(waiting)
  await gateway.kill()
  expect((await waiting).held).toBe(true)
})

const ROUTES: Record<string, (folder: string) => string> = {
  'a linked folder': (folder) => {
    symlinkSync(join(folder, 'real'), join(folder, 'link'))
    return join(folder, 'link', 'a.jsonl')
  },
  'a linked file': (folder) => {
    writeFileSync(join(folder, 'real', 'a.jsonl'), '')
    symlinkSync(join('real', 'a.jsonl'), join(folder, 'b.jsonl'))
    return join(folder, 'b.jsonl')
  },
  'a link to a file that is not there yet': (folder) => {
    symlinkSync(join('real', 'a.jsonl'), join(folder, 'b.jsonl'))
    return join(folder, 'b.jsonl')
  },
  'links to links and a way up': (folder) => {
    symlinkSync(join(folder, 'real'), join(folder, 'link'))
    mkdirSync(join(folder, 'real', 'sub'))
    symlinkSync(join('..', 'b.jsonl'), join(folder, 'real', 'sub', 'c.jsonl'))
    symlinkSync('a.jsonl', join(folder, 'real', 'b.jsonl'))
    return join(folder, 'link', 'sub', 'c.jsonl')
  },
}

test.for(Object.entries(ROUTES))('one session is one lock, also through %s', async ([, route]) => {
  sessionFile()
  const folder = scratch()
  mkdirSync(join(folder, 'real'))
  const file = join(folder, 'real', 'a.jsonl')
  const other = route(folder)
  const gateway = await Gateway.start()
  const held = await gateway.acquire({ sessionFile: other })
  await expect(acquireSessionWriteLock({ sessionFile: file, timeoutMs: 1 })).rejects.toThrow(`pid=${gateway.pid}`)
  await gateway.release(held)

  const lock = await acquireSessionWriteLock({ sessionFile: file })
  const again = await acquireSessionWriteLock({ sessionFile: other, timeoutMs: 1, allowReentrant: true })
  await lock.release()
  await expect(gateway.acquire({ sessionFile: file, timeoutMs: 1 })).rejects.toThrow('session file locked')
  await again.release()
  await gateway.acquire({ sessionFile: other, timeoutMs: 1 })
})

test('a time-out is the error that gateways know, and says more by its cause', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file })
  const error: unknown = await acquireSessionWriteLock({ sessionFile: file, timeoutMs: 20 }).catch(asIs)
  expect(error).toBeInstanceOf(SessionWriteLockTimeoutError)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({
    name: 'SessionWriteLockTimeoutError',
    code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT',
    timeoutMs: 20,
    owner: `pid=${gateway.pid}`,
    lockPath: `${file}.hold`,
    message: `session file locked (timeout 20ms): pid=${gateway.pid} ${file}.hold`,
  })
  const cause = error instanceof Error ? error.cause : null
  expect(isLockError(cause, 'ERR_LOCK_TIMEOUT') && cause.holder?.label).toBe('session-write-lock')
})

function asIs(error: unknown): unknown {
  return error
}

test('a holder that left no record is an unknown owner', async () => {
  const file = sessionFile()
  writeFileSync(`${file}.hold`, "somebody's own data, which is no record and is never overwritten")
  using hold = tryAcquire(file)
  expect(hold?.fence).toBeNull()
  const gateway = await Gateway.start()
  const owner = existsSync('/proc/locks') ? `pid=${process.pid}` : 'unknown'
  await expect(gateway.acquire({ sessionFile: file, timeoutMs: 1 })).rejects.toMatchObject({ owner })
})

test('the time-out counts the wait behind lanes of the same process', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  const held = await gateway.acquire({ sessionFile: file })
  const first = acquireSessionWriteLock({ sessionFile: file, timeoutMs: Infinity })
  await expect(acquireSessionWriteLock({ sessionFile: file, timeoutMs: 30 })).rejects.toMatchObject({ timeoutMs: 30 })
  await gateway.release(held)
  await (await first).release()
})

test('a waiter whose event loop was blocked past its deadline has one last try', async () => {
  const file = sessionFile()
  const folder = scratch()
  const [blocked, go] = [join(folder, 'blocked'), join(folder, 'go')]
  const [holder, waiter] = await Promise.all([Gateway.start(), Gateway.start()])
  const held = await holder.acquire({ sessionFile: file })
  const params = { sessionFile: file, timeoutMs: 10 }
  const waiting = waiter.ask<number>('acquireBlocked', params, blocked, go)
  await until('it is blocked', () => existsSync(blocked))
  // Until long past the deadline, by the clock that it is measured with.
  const end = performance.now() + 3 * params.timeoutMs
  await until('the deadline is over', () => performance.now() > end)
  await holder.release(held)
  writeFileSync(go, '')
  expect(await waiter.ask<boolean>('isHeld', await waiting)).toBe(true)
})

test('an abort rejects with its own reason, and the session is never held later', async () => {
  const file = sessionFile()
  const first = await acquireSessionWriteLock({ sessionFile: file })
  const controller = new AbortController()
  const { signal } = controller
  const waiting = acquireSessionWriteLock({ sessionFile: file, signal })
  await mustStayBlocked(waiting)
  controller.abort(new Error('the run is over'))
  await expect(waiting).rejects.toThrow('the run is over')
  await first.release()
  await expect(acquireSessionWriteLock({ sessionFile: file, signal })).rejects.toThrow('the run is over')
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})

test('release ends its own handle, once', async () => {
  const file = sessionFile()
  const first = await acquireSessionWriteLock({ sessionFile: file })
  const { release } = first
  await release()
  expect(first.held).toBe(false)
  const second = await acquireSessionWriteLock({ sessionFile: file })
  await release()
  await first.release()
  expect(second.held).toBe(true)
  expect(second.signal.aborted).toBe(false)
  expect(() => first.assertHeld()).toThrow('released already')
})

test('staleMs means nothing: a living holder is waited for, however old its hold', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file })
  const impatient = acquireSessionWriteLock({ sessionFile: file, timeoutMs: 50, staleMs: 1 })
  await expect(impatient).rejects.toThrow('session file locked')
})

test.for([0, -5, NaN])('a time-out or a bound of %s counts as left out, as it always has', async (value) => {
  const file = sessionFile()
  const lock = await acquireSessionWriteLock({ sessionFile: file, maxHoldMs: value })
  const waiting = acquireSessionWriteLock({ sessionFile: file, timeoutMs: value })
  await mustStayBlocked(waiting)
  expect(lock.held).toBe(true)
  await lock.release()
  await waiting
})

test.for([
  [{}, 'ERR_INVALID_ARG_TYPE', 'params.sessionFile'],
  [{ sessionFile: '' }, 'ERR_INVALID_ARG_VALUE', 'params.sessionFile'],
  [{ sessionFile: 'a', timeoutMs: '5' }, 'ERR_INVALID_ARG_TYPE', 'params.timeoutMs'],
  [{ sessionFile: 'a', staleMs: '5' }, 'ERR_INVALID_ARG_TYPE', 'params.staleMs'],
  [{ sessionFile: 'a', maxHoldMs: null }, 'ERR_INVALID_ARG_TYPE', 'params.maxHoldMs'],
  [{ sessionFile: 'a', allowReentrant: 1 }, 'ERR_INVALID_ARG_TYPE', 'params.allowReentrant'],
  [{ sessionFile: 'a', legacyPeer: 'yes' }, 'ERR_INVALID_ARG_TYPE', 'params.legacyPeer'],
  [{ sessionFile: 'a', signal: {} }, 'ERR_INVALID_ARG_TYPE', 'params.signal'],
  [{ sessionFile: 'a', timeout: 5 }, 'ERR_INVALID_ARG_VALUE', 'timeoutMs'],
  ['a', 'ERR_INVALID_ARG_TYPE', 'params'],
] as const)('arguments are refused by name: %j', async ([params, code, named]) => {
  const attempt = acquireSessionWriteLock(params as Parameters<typeof acquireSessionWriteLock>[0])
  await expect(attempt).rejects.toMatchObject({ code })
  await expect(attempt).rejects.toThrow(named)
})
