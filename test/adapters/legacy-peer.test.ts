// A mixed roll-out: processes on the adapter and gateways on the lock files of before write the same sessions. The old side is
// the protocol of the incidents (examples/lock-files).
import fs, { existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import { __testing, acquireSessionWriteLock } from '../../src/adapters/session-write-lock.js'
import { tryAcquire } from '../../src/index.js'
import { missing, posix, procfs } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { Gateway, sessionFile } from './gateway.js'

const { runLockWatchdogCheck } = __testing
const legacyPeer = true

function payload(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(`${file}.lock`, 'utf8')) as Record<string, unknown>
}

function leave(file: string, text: string, age = 0): void {
  writeFileSync(`${file}.lock`, text)
  const then = new Date(Date.now() - age)
  utimesSync(`${file}.lock`, then, then)
}

function startOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}

test('old and new processes write one session one after the other, and lose nothing', async () => {
  const file = sessionFile()
  writeFileSync(file, '0')
  const gateways = await Promise.all([1, 2, 3, 4].map(() => Gateway.start()))
  await Promise.all(
    gateways.map((gateway, index) =>
      index < 2
        ? gateway.ask('oldIncrement', file, 40)
        : gateway.ask('increment', file, 40, { legacyPeer, timeoutMs: Infinity }),
    ),
  )
  expect(readFileSync(file, 'utf8')).toBe('160')
  expect(existsSync(`${file}.lock`)).toBe(false)
})

test('an old gateway waits for a new process with legacyPeer, and goes past one without', async () => {
  const file = sessionFile()
  const old = await Gateway.start()
  const plain = await acquireSessionWriteLock({ sessionFile: file })
  await old.release(await old.ask('oldAcquire', file, 20))
  await plain.release()

  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  await expect(old.ask('oldAcquire', file, 20)).rejects.toThrow(`pid=${process.pid} ${file}.lock`)
  await lock.release()
  await old.ask('oldAcquire', file, 20)
})

test('what old gateways read: who, since when, for how long, and which life of that process id', async () => {
  const file = sessionFile()
  const before = Date.now()
  await acquireSessionWriteLock({ sessionFile: file, legacyPeer, maxHoldMs: 4_321 })
  const { createdAt, ...others } = payload(file)
  expect(Date.parse(String(createdAt))).toBeGreaterThanOrEqual(before)
  expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  const starttime = procfs.there ? startOf(process.pid) : null
  expect(others).toEqual({ pid: process.pid, maxHoldMs: 4_321, starttime })
})

test('a new process waits for an old gateway, while others of its kind wait for it', async () => {
  const file = sessionFile()
  const old = await Gateway.start()
  const held = await old.ask<number>('oldAcquire', file, 20)
  const waiting = acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  await mustStayBlocked(waiting)
  await expect(acquireSessionWriteLock({ sessionFile: file, timeoutMs: 1 })).rejects.toThrow(`${file}.hold`)
  await old.release(held)
  const lock = await waiting
  expect(payload(file)).toMatchObject({ pid: process.pid })
  await lock.release()
  expect(existsSync(`${file}.lock`)).toBe(false)
})

test('the time-out counts the wait for an old gateway, names it, and gives the session back', async () => {
  const file = sessionFile()
  const old = await Gateway.start()
  const held = await old.ask<number>('oldAcquire', file, 20)
  const impatient = acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 20 })
  await expect(impatient).rejects.toMatchObject({
    code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT',
    message: `session file locked (timeout 20ms): pid=${old.pid} ${file}.lock`,
    owner: `pid=${old.pid}`,
    lockPath: `${file}.lock`,
  })
  expect(payload(file)).toMatchObject({ pid: old.pid })
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
  await old.release(held)
})

test('an abort ends the wait for an old gateway, and what ends the hold ends it too', async () => {
  const file = sessionFile()
  const old = await Gateway.start()
  await old.ask('oldAcquire', file, 20)
  const controller = new AbortController()
  const waiting = acquireSessionWriteLock({ sessionFile: file, legacyPeer, signal: controller.signal })
  await mustStayBlocked(waiting)
  controller.abort(new Error('the run is over'))
  await expect(waiting).rejects.toThrow('the run is over')

  const again = acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  await mustStayBlocked(again)
  __testing.releaseAllLocksSync()
  await expect(again).rejects.toMatchObject({ code: 'ERR_LOCK_LOST' })
  expect(payload(file)).toMatchObject({ pid: old.pid })
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})

test('while it waits for an old gateway, a hold is not ended by its bound, which begins with the session', async () => {
  const file = sessionFile()
  const old = await Gateway.start()
  const held = await old.ask<number>('oldAcquire', file, 20)
  const waiting = acquireSessionWriteLock({ sessionFile: file, legacyPeer, maxHoldMs: 30 })
  await mustStayBlocked(waiting)
  await old.release(held)
  const lock = await waiting
  await until('its bound is over', () => !lock.held)
  expect(lock.signal.reason).toMatchObject({ reason: 'max-hold' })
  expect(existsSync(`${file}.lock`)).toBe(false)
})

test.for(['old', 'new'])('the file of a killed %s process is taken over by new ones and by old ones', async (kind) => {
  for (const next of ['old', 'new']) {
    const file = sessionFile()
    const [killed, other] = await Promise.all([Gateway.start(), Gateway.start()])
    await (kind === 'old' ? killed.ask('oldAcquire', file, 20) : killed.acquire({ sessionFile: file, legacyPeer }))
    expect(payload(file)).toMatchObject({ pid: killed.pid })
    await killed.kill()
    if (next === 'old') await other.ask('oldAcquire', file, 1_000)
    else await other.acquire({ sessionFile: file, legacyPeer, timeoutMs: 1 })
    expect(payload(file)).toMatchObject({ pid: other.pid })
  }
})

test('a file with our own process id is of a life before this one, and taken over', async () => {
  const file = sessionFile()
  leave(file, JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString() }))
  await acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 1 })
})

test.skipIf(missing(procfs))('a file whose process id belongs to another process now is taken over', async () => {
  const file = sessionFile()
  const createdAt = new Date().toISOString()
  const starttime = startOf(process.ppid)
  leave(file, JSON.stringify({ pid: process.ppid, createdAt, starttime }), 60_000)
  const attempt = acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 1 })
  await expect(attempt).rejects.toThrow(`pid=${process.ppid}`)
  leave(file, JSON.stringify({ pid: process.ppid, createdAt, starttime: starttime + 1 }))
  await acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 1 })
})

test('a file of a living process counts, however old it is', async () => {
  const file = sessionFile()
  leave(file, JSON.stringify({ pid: process.ppid, createdAt: '2001-01-01T00:00:00.000Z', maxHoldMs: 1 }), 1e9)
  const attempt = acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 1, staleMs: 1 })
  await expect(attempt).rejects.toMatchObject({ owner: `pid=${process.ppid}` })
})

test('a file that says nothing is waited for while it may be being written, and taken over after that', async () => {
  const file = sessionFile()
  leave(file, '')
  const attempt = acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 20 })
  await expect(attempt).rejects.toMatchObject({ owner: 'unknown', lockPath: `${file}.lock` })
  expect(readFileSync(`${file}.lock`, 'utf8')).toBe('')
  leave(file, '{"pid":', 60_000)
  await acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 1 })
})

test('what is no plain file is never taken over', async () => {
  const file = sessionFile()
  mkdirSync(`${file}.lock`)
  const attempt = acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 20 })
  await expect(attempt).rejects.toMatchObject({ owner: 'unknown' })
  expect(existsSync(`${file}.lock`)).toBe(true)
})

test('a release leaves alone what an old gateway put in the place of our file', async () => {
  const file = sessionFile()
  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  const theirs = JSON.stringify({ pid: process.ppid, createdAt: new Date().toISOString() })
  leave(file, theirs)
  await lock.release()
  expect(readFileSync(`${file}.lock`, 'utf8')).toBe(theirs)
})

test('the file goes while the lock is still held, so that nobody who gets the lock finds it there', async () => {
  const file = sessionFile()
  const free: boolean[] = []
  const { rmSync } = fs
  const remove = vi.spyOn(fs, 'rmSync').mockImplementation((...args) => {
    free.push(tryAcquire(file) !== null)
    rmSync(...args)
  })
  syncBuiltinESMExports() // for those who imported the function by its name
  onTestFinished(() => {
    remove.mockRestore()
    syncBuiltinESMExports()
  })
  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  await lock.release()
  expect(free).toEqual([false])
  const inner = await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  await runLockWatchdogCheck(Date.now() + 1e9)
  __testing.releaseAllLocksSync()
  expect(free).toEqual([false, false])
  await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  __testing.releaseAllLocksSync()
  expect(free).toEqual([false, false, false])
  expect(inner.held).toBe(false)
})

test('handles of one session share the file, which goes with the last of them', async () => {
  const file = sessionFile()
  const outer = await acquireSessionWriteLock({ sessionFile: file })
  expect(existsSync(`${file}.lock`)).toBe(false)
  const params = { sessionFile: file, allowReentrant: true, legacyPeer, timeoutMs: 1 }
  const [inner, third] = await Promise.all([acquireSessionWriteLock(params), acquireSessionWriteLock(params)])
  const made = payload(file)
  await inner.release()
  await inner.release()
  expect(payload(file)).toEqual(made)
  await third.release()
  expect(existsSync(`${file}.lock`)).toBe(false)
  expect(outer.held).toBe(true)
})

test('handles that came by different paths share the file too', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  symlinkSync(folder, join(folder, 'link'))
  const outer = await acquireSessionWriteLock({ sessionFile: join(folder, 'link', 'session.jsonl'), legacyPeer })
  const made = payload(file)
  const inner = await acquireSessionWriteLock({ sessionFile: file, allowReentrant: true, legacyPeer })
  await inner.release()
  expect(payload(file)).toEqual(made)
  await outer.release()
  expect(existsSync(`${file}.lock`)).toBe(false)
})

test('a dead file that an old gateway takes over while it is judged is left alone', async () => {
  const file = sessionFile()
  const old = await Gateway.start()
  await old.kill()
  leave(file, JSON.stringify({ pid: old.pid, createdAt: new Date().toISOString() }))
  const theirs = JSON.stringify({ pid: process.ppid, createdAt: new Date().toISOString() })
  const { readFileSync } = fs
  const read = vi.spyOn(fs, 'readFileSync').mockImplementation((path, options) => {
    if (path === `/proc/${old.pid}/stat`) writeFileSync(`${file}.lock`, theirs)
    return readFileSync(path, options)
  })
  syncBuiltinESMExports()
  onTestFinished(() => {
    read.mockRestore()
    syncBuiltinESMExports()
  })
  const attempt = acquireSessionWriteLock({ sessionFile: file, legacyPeer, timeoutMs: 100 })
  await expect(attempt).rejects.toMatchObject({ owner: `pid=${process.ppid}` })
  expect(readFileSync(`${file}.lock`, 'utf8')).toBe(theirs)
})

test('a guarded write that outlasts the bound keeps old gateways out too, until it is done', async () => {
  const file = sessionFile()
  const folder = scratch()
  const [gateway, old] = await Promise.all([Gateway.start(), Gateway.start()])
  const held = await gateway.acquire({ sessionFile: file, legacyPeer, maxHoldMs: 50 })
  const guarded = gateway.ask('guard', held, folder)
  await until('it is inside', () => existsSync(join(folder, 'in')))
  const next = old.ask('oldAcquire', file, 60_000).then(() => existsSync(join(folder, 'out')))
  await until('its bound is over', async () => !(await gateway.ask<boolean>('isHeld', held)))
  await mustStayBlocked(next)
  writeFileSync(join(folder, 'go'), '')
  await guarded
  expect(await next).toBe(true)
})

test('release() inside a guard keeps the file until the guard has ended', async () => {
  const file = sessionFile()
  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer })
  await lock.guard(async () => {
    await lock.release()
    expect(existsSync(`${file}.lock`)).toBe(true)
  })
  expect(existsSync(`${file}.lock`)).toBe(false)
})

test.skipIf(missing(posix))('a process that is told to end takes its file along', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file, legacyPeer })
  await gateway.kill('SIGTERM')
  expect(existsSync(`${file}.lock`)).toBe(false)
})

test('the file lies where an old gateway looks for it: folders are followed, the last name is not', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  mkdirSync(join(folder, 'real'))
  symlinkSync(join(folder, 'real'), join(folder, 'link'))
  writeFileSync(join(folder, 'real', 'a.jsonl'), '')
  symlinkSync('a.jsonl', join(folder, 'real', 'b.jsonl'))
  await acquireSessionWriteLock({ sessionFile: join(folder, 'link', 'b.jsonl'), legacyPeer })
  expect(payload(join(folder, 'real', 'b.jsonl'))).toMatchObject({ pid: process.pid })
  expect(existsSync(join(folder, 'real', 'a.jsonl.lock'))).toBe(false)
  leave(join(folder, 'real', 'c.jsonl'), JSON.stringify({ pid: process.ppid, createdAt: new Date().toISOString() }))
  const attempt = acquireSessionWriteLock({ sessionFile: join(folder, 'link', 'c.jsonl'), legacyPeer, timeoutMs: 1 })
  await expect(attempt).rejects.toMatchObject({ lockPath: join(folder, 'real', 'c.jsonl.lock') })
})

test('the environment asks for it too, and the option wins', async () => {
  const file = sessionFile()
  const variable = 'OPENCLAW_SESSION_WRITE_LOCK_LEGACY_PEER'
  for (const [value, asked] of [
    ['1', true],
    ['true', true],
    [' ON ', true],
    ['0', false],
    ['false', false],
    ['', false],
  ] as const) {
    const gateway = await Gateway.start({ [variable]: value })
    const held = await gateway.acquire({ sessionFile: file })
    expect(existsSync(`${file}.lock`)).toBe(asked)
    await gateway.release(held)
    await gateway.acquire({ sessionFile: file, legacyPeer: !asked })
    expect(existsSync(`${file}.lock`)).toBe(!asked)
    await gateway.kill('SIGTERM')
  }
})

test('where the file cannot be made the acquire fails with the reason, and gives the session back', async () => {
  const file = sessionFile()
  const link = join(dirname(file), 'n'.repeat(252)) // with `.lock` too long a name, and where it leads is not
  symlinkSync('session.jsonl', link)
  const attempt = acquireSessionWriteLock({ sessionFile: link, legacyPeer })
  await expect(attempt).rejects.toMatchObject({
    code: 'ERR_LOCK_SYSTEM',
    path: link,
    cause: { code: 'ENAMETOOLONG', syscall: 'open' },
  })
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})
