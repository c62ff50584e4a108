// Re-entry as the field knows it: the process enters what it holds, and the session goes free with the last handle.
import { getEventListeners } from 'node:events'
import { linkSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { expect, test } from 'vitest'

import { acquireSessionWriteLock, type SessionWriteLock } from '../../src/adapters/session-write-lock.js'
import { inspect, tryAcquire } from '../../src/index.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { Thread } from '../helpers/thread.js'
import { Gateway, sessionFile } from './gateway.js'

function isFree(file: string): boolean {
  const hold = tryAcquire(file)
  hold?.release()
  return hold !== null
}

test('a request that may re-enter joins the hold of its process, one that may not waits for the last handle', async () => {
  const file = sessionFile()
  const outer = await acquireSessionWriteLock({ sessionFile: file })
  const waiting = acquireSessionWriteLock({ sessionFile: file })
  const inner = await acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, timeoutMs: 1 })
  const third = await acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, timeoutMs: 1 })
  await outer.release()
  await third.release()
  expect([outer.held, inner.held, third.held]).toEqual([false, true, false])
  await mustStayBlocked(waiting)
  await inner.release()
  expect((await waiting).held).toBe(true)
})

test('a handle that is released twice frees itself only', async () => {
  const file = sessionFile()
  const outer = await acquireSessionWriteLock({ sessionFile: file })
  const inner = await acquireSessionWriteLock({ sessionFile: file, allowReentrant: true })
  await inner.release()
  await inner.release()
  await inner.release()
  expect(outer.held).toBe(true)
  expect(isFree(file)).toBe(false)
  await outer.release()
  expect(isFree(file)).toBe(true)
})

test('another process is not joined', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file })
  const attempt = acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, timeoutMs: 1 })
  await expect(attempt).rejects.toThrow(`pid=${gateway.pid}`)
})

test('another thread of this process is not joined', async () => {
  const file = sessionFile()
  const thread = await Thread.start()
  const held = await thread.acquire(file)
  const params = { sessionFile: file, allowReentrant: true, timeoutMs: 1 }
  await expect(acquireSessionWriteLock(params)).rejects.toThrow(`pid=${process.pid}`)
  await thread.release(held)
  await acquireSessionWriteLock(params)
})

test('of two requests under way at once, the second joins the first when that is granted', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  const held = await gateway.acquire({ sessionFile: file })
  const locks: Promise<SessionWriteLock>[] = []
  for (const allowReentrant of [false, true, true]) {
    locks.push(acquireSessionWriteLock({ sessionFile: file, allowReentrant, timeoutMs: Infinity }))
  }
  await mustStayBlocked(Promise.race(locks))
  await gateway.release(held)
  const [first, second, third] = await Promise.all(locks)
  expect([first?.held, second?.held, third?.held]).toEqual([true, true, true])
  await Promise.all([first?.release(), second?.release()])
  expect(isFree(file)).toBe(false)
  await third?.release()
  expect(isFree(file)).toBe(true)
})

test('what waits for somebody else joins a hold that others of its process get before it', async () => {
  const file = sessionFile()
  const first = await acquireSessionWriteLock({ sessionFile: file })
  // Not joined: what the process holds by the public API is no hold of the adapter.
  await first.release()
  const foreign = tryAcquire(file)
  const plain = acquireSessionWriteLock({ sessionFile: file })
  const joining = acquireSessionWriteLock({ sessionFile: file, allowReentrant: true })
  await mustStayBlocked(Promise.race([plain, joining]))
  foreign?.release()
  const locks = await Promise.all([plain, joining])
  expect(locks.map(({ held }) => held)).toEqual([true, true])
})

test('a wait that ended by a join leaves nothing behind: no request in the queue, no listener on the signal', async () => {
  const file = sessionFile()
  const { signal } = new AbortController()
  const foreign = tryAcquire(file)
  const locks = [false, true, true].map((allowReentrant) =>
    acquireSessionWriteLock({ sessionFile: file, allowReentrant, signal: allowReentrant ? signal : undefined }),
  )
  expect(getEventListeners(signal, 'abort').length).toBeGreaterThan(0)
  foreign?.release()
  for (const lock of await Promise.all(locks)) await lock.release()
  expect(isFree(file)).toBe(true)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('a wait that would join can be aborted, and times out', async () => {
  const file = sessionFile()
  using foreign = tryAcquire(file)
  const controller = new AbortController()
  const { signal } = controller
  const waiting = acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, signal })
  controller.abort(new Error('the run is over'))
  await expect(waiting).rejects.toThrow('the run is over')
  await expect(acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, signal })).rejects.toThrow('is over')
  const impatient = acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, timeoutMs: 1 })
  await expect(impatient).rejects.toMatchObject({ code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT' })
  expect(foreign?.held).toBe(true)
})

test('a request whose signal has aborted joins nothing', async () => {
  const file = sessionFile()
  await acquireSessionWriteLock({ sessionFile: file })
  const signal = AbortSignal.abort(new Error('the run is over'))
  const attempt = acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, signal })
  await expect(attempt).rejects.toThrow('the run is over')
})

test('a process that holds something has the folder of another session made too', async () => {
  const file = sessionFile()
  await acquireSessionWriteLock({ sessionFile: file })
  const other = join(dirname(file), 'new', 'a.jsonl')
  const lock = await acquireSessionWriteLock({ sessionFile: other, allowReentrant: true, timeoutMs: 1_000 })
  expect(lock.held).toBe(true)
})

test('which hold is joined is decided by the locked file, not by the text of its path', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  symlinkSync(folder, join(folder, 'again'))
  const outer = await acquireSessionWriteLock({ sessionFile: file })
  mkdirSync(join(folder, 'other'))
  linkSync(`${file}.hold`, join(folder, 'other', 'session.jsonl.hold')) // as a second mount of one folder would
  const params = { allowReentrant: true, timeoutMs: 1 }
  for (const way of ['again/session.jsonl', 'other/session.jsonl', './again/../session.jsonl']) {
    const inner = await acquireSessionWriteLock({ ...params, sessionFile: `${folder}/${way}` })
    await inner.release()
  }
  expect(outer.held).toBe(true)
  const elsewhere = await acquireSessionWriteLock({ ...params, sessionFile: join(folder, 'b.jsonl') })
  await outer.release()
  expect(isFree(file)).toBe(true)
  expect(elsewhere.held).toBe(true)
})

test('a hold whose lock file was replaced is not joined: others can lock the new one', async () => {
  const file = sessionFile()
  const outer = await acquireSessionWriteLock({ sessionFile: file })
  rmSync(`${file}.hold`)
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file })
  const attempt = acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, timeoutMs: 1 })
  await expect(attempt).rejects.toThrow('session file locked')
  expect(() => outer.assertHeld()).toThrow('deleted or replaced')
})

test('holds of several sessions are no deadlock for those who join them', async () => {
  const [one, other] = [sessionFile(), sessionFile()]
  const first = await acquireSessionWriteLock({ sessionFile: one })
  const second = await acquireSessionWriteLock({ sessionFile: other })
  const waits = [one, other].map((file) => acquireSessionWriteLock({ sessionFile: file, timeoutMs: Infinity }))
  const params = { allowReentrant: true, timeoutMs: 1 }
  const inner = await acquireSessionWriteLock({ ...params, sessionFile: one })
  const another = await acquireSessionWriteLock({ ...params, sessionFile: other })
  await mustStayBlocked(Promise.race(waits))
  for (const lock of [first, second, inner, another]) await lock.release()
  for (const lock of await Promise.all(waits)) expect(lock.held).toBe(true)
  expect(inspect(one).state).toBe('held')
})
