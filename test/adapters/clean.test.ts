// The list a gateway starts with: whose work was cut off. Nobody who lives is ever on it as stale, and each death is told once.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs, { existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  type SessionLockInspection,
  type StaleLockFiles,
} from '../../src/adapters/session-write-lock.js'
import { acquire, inspect, tryAcquire, type Hold } from '../../src/index.js'
import { missing, procfs, program, root } from '../helpers/capabilities.js'
import { lease, leases } from '../helpers/lease.js'
import { until } from '../helpers/until.js'
import { Gateway, sessionFile } from './gateway.js'

/** One that nobody has: it was that of a process that has ended and was reaped. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid
}

function startOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}

function leave(file: string, payload: unknown, suffix = '.lock'): void {
  writeFileSync(file + suffix, typeof payload === 'string' ? payload : JSON.stringify(payload))
}

/** As if it had been written a while ago. */
function age(path: string, milliseconds: number): void {
  const then = new Date(Date.now() - milliseconds)
  utimesSync(path, then, then)
}

function iso(ago: number): string {
  return new Date(Date.now() - ago).toISOString()
}

const NOTHING: StaleLockFiles = { locks: [], cleaned: [] }

async function dieHolding(...files: string[]): Promise<number> {
  const gateway = await Gateway.start()
  for (const sessionFile of files) await gateway.acquire({ sessionFile })
  await gateway.kill()
  return gateway.pid
}

test('a session whose holder was killed is stale, is told once, and its files stay where they are', async () => {
  const file = sessionFile()
  const sessionsDir = dirname(file)
  writeFileSync(file, '{}\n')
  const before = Date.now()
  const pid = await dieHolding(file)
  const warnings: string[] = []
  const params = { sessionsDir, log: { warn: (message: string) => void warnings.push(message) } }
  const { locks, cleaned } = await cleanStaleLockFiles(params)
  expect(cleaned).toEqual(locks)
  const [lock] = cleaned
  expect(Object.keys(lock ?? {}).sort()).toEqual(
    ['lockPath', 'pid', 'pidAlive', 'createdAt', 'ageMs', 'stale', 'staleReasons', 'removed'].sort(),
  )
  expect(lock).toMatchObject({
    lockPath: `${file}.lock`,
    pid,
    pidAlive: false,
    stale: true,
    staleReasons: ['dead-pid'],
    removed: true,
  })
  expect(Date.parse(lock?.createdAt ?? '')).toBeGreaterThanOrEqual(before)
  expect(lock?.ageMs).toBeGreaterThanOrEqual(0)
  expect(warnings).toEqual([`removed stale session lock: ${file}.lock (dead-pid)`])
  expect([existsSync(file), existsSync(`${file}.hold`), existsSync(`${file}.lock`)]).toEqual([true, true, false])
  expect(await cleanStaleLockFiles(params)).toEqual(NOTHING)
})

test('without removeStale it is told again and again, and nothing is changed', async () => {
  const file = sessionFile()
  await dieHolding(file)
  const params = { sessionsDir: dirname(file), removeStale: false, nowMs: 4e12 }
  const first = await cleanStaleLockFiles(params)
  expect(first).toMatchObject({ locks: [{ stale: true, removed: false }], cleaned: [] })
  expect(first.locks[0]?.ageMs).toBe(4e12 - Date.parse(first.locks[0]?.createdAt ?? ''))
  expect(await cleanStaleLockFiles(params)).toEqual(first)
})

test('a living holder is never stale, nor one whose process id means nothing here', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file, legacyPeer: true })
  const dead = deadPid()
  for (const path of [`${file}.hold`, `${file}.lock`]) {
    // As it would be in another container.
    const text = readFileSync(path, 'latin1')
    expect(text).toMatch(new RegExp(`"pid": *${gateway.pid}`))
    writeFileSync(path, text.replace(new RegExp(`("pid": *)${gateway.pid}`), `$1${dead}`), 'latin1')
  }
  const params = { sessionsDir: dirname(file), staleMs: 1, nowMs: Date.now() + 1e9 }
  const { locks, cleaned } = await cleanStaleLockFiles(params)
  expect(cleaned).toEqual([])
  expect(locks).toEqual([
    expect.objectContaining({ lockPath: `${file}.lock`, pid: dead, pidAlive: true, stale: false, staleReasons: [] }),
  ])
  expect(existsSync(`${file}.lock`)).toBe(true)
  await expect(acquireSessionWriteLock({ sessionFile: file, timeoutMs: 1 })).rejects.toThrow('session file locked')
})

test('what this process holds itself is not stale', async () => {
  const file = sessionFile()
  await acquireSessionWriteLock({ sessionFile: file })
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: dirname(file) })
  expect([locks.map(({ stale }) => stale), cleaned]).toEqual([[false], []])
})

test('sessions that were released, revoked or never locked are not listed', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  const lock = await acquireSessionWriteLock({ sessionFile: file })
  await lock.release()
  const revoked = await acquire(join(folder, 'revoked.jsonl'))
  revoked.owner.close()
  expect(inspect(join(folder, 'revoked.jsonl')).state).toBe('abandoned')
  writeFileSync(join(folder, 'unlocked.jsonl'), '')
  const store = await Gateway.start()
  await store.acquire({ sessionFile: join(folder, 'sessions.json') })
  await store.kill()
  for (const removeStale of [false, true]) {
    expect(await cleanStaleLockFiles({ sessionsDir: folder, removeStale })).toEqual(NOTHING)
  }
})

test('a session that somebody takes while it is looked at is not stale', async () => {
  const file = sessionFile()
  await dieHolding(file)
  const { openSync } = fs
  let next: Hold | null = null
  const look = vi.spyOn(fs, 'openSync').mockImplementation((...args) => {
    next ??= tryAcquire(file)
    return openSync(...args)
  })
  syncBuiltinESMExports() // for those who imported the function by its name
  onTestFinished(() => {
    look.mockRestore()
    syncBuiltinESMExports()
  })
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: dirname(file) })
  expect(next).not.toBeNull()
  expect([locks.map(({ stale, pid }) => [stale, pid]), cleaned]).toEqual([[[false, process.pid]], []])
})

test('processes that clean at the same time tell each death once between them', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  const files = Array.from({ length: 60 }, (_, index) => join(folder, `${index}.jsonl`))
  await dieHolding(...files)
  const cleaners = await Promise.all([Gateway.start(), Gateway.start(), Gateway.start()])
  const lists = await Promise.all(
    cleaners.map((cleaner) => cleaner.ask<StaleLockFiles>('clean', { sessionsDir: folder })),
  )
  const told = lists.flatMap(({ cleaned }) => cleaned.map(({ lockPath }) => lockPath))
  expect(told.sort()).toEqual(files.map((path) => `${path}.lock`).sort())
})

test('the list is in the order of names, and is empty for a folder that is not there', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  await dieHolding(join(folder, 'c.jsonl'), join(folder, 'a.jsonl'), join(folder, 'b.jsonl'))
  const { cleaned } = await cleanStaleLockFiles({ sessionsDir: folder })
  expect(cleaned.map(({ lockPath }) => basename(lockPath))).toEqual(['a.jsonl.lock', 'b.jsonl.lock', 'c.jsonl.lock'])
  expect(await cleanStaleLockFiles({ sessionsDir: join(folder, 'missing') })).toEqual(NOTHING)
})

test('a linked session is told by the name it has in the folder, once', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  mkdirSync(join(folder, 'elsewhere'))
  symlinkSync(join('elsewhere', 'a.jsonl'), join(folder, 'outward.jsonl'))
  writeFileSync(join(folder, 'elsewhere', 'a.jsonl'), '')
  symlinkSync('target.jsonl', join(folder, 'inward.jsonl'))
  writeFileSync(join(folder, 'target.jsonl'), '')
  await dieHolding(join(folder, 'outward.jsonl'), join(folder, 'inward.jsonl'))
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: folder })
  expect(cleaned).toEqual(locks)
  expect(cleaned.map(({ lockPath }) => basename(lockPath))).toEqual(['outward.jsonl.lock', 'target.jsonl.lock'])
  expect(await cleanStaleLockFiles({ sessionsDir: folder })).toEqual(NOTHING)
})

/** What becomes of one file of an old gateway. */
async function judged(payload: unknown, staleMs?: number): Promise<SessionLockInspection & { there: boolean }> {
  const file = sessionFile()
  leave(file, payload)
  age(`${file}.lock`, 60_000)
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: dirname(file), staleMs })
  expect(cleaned).toEqual(locks.filter(({ removed }) => removed))
  const [lock] = locks
  if (lock === undefined) throw new Error('nothing is listed')
  expect(lock.lockPath).toBe(`${file}.lock`)
  return { ...lock, there: existsSync(lock.lockPath) }
}

test('a file that an old gateway left and whose process is dead is removed', async () => {
  const pid = deadPid()
  const createdAt = iso(5000)
  const found = await judged({ pid, createdAt, starttime: 5 })
  expect(found).toMatchObject({ pid, pidAlive: false, createdAt, stale: true, removed: true, there: false })
  expect(found.staleReasons).toEqual(['dead-pid'])
  expect(found.ageMs).toBeGreaterThanOrEqual(5000)
})

test.skipIf(missing(procfs, program('sh')))(
  'a process that has ended is dead, though nobody has reaped it',
  async () => {
    const parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'])
    onTestFinished(() => void parent.kill('SIGKILL'))
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(printed)
    const name = (): string => readFileSync(`/proc/${parent.pid}/comm`, 'latin1')
    await until('its parent is one that reaps nobody', () => name() === 'sleep\n')
    process.kill(pid, 'SIGKILL')
    await until('it has ended', () => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')))
    expect(await judged({ pid, createdAt: iso(0) })).toMatchObject({ pid, pidAlive: false, staleReasons: ['dead-pid'] })
  },
)

test('a process that belongs to somebody else is alive', async () => {
  const pid = deadPid() // so that no other source tells of it
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error('not permitted'), { code: 'EPERM' })
  })
  onTestFinished(() => kill.mockRestore())
  expect(await judged({ pid, createdAt: iso(0) })).toMatchObject({ pidAlive: true, stale: false })
})

test('a session that was taken from its holder tells nothing but what an old gateway left there', async () => {
  const file = sessionFile()
  const revoked = await acquire(file)
  revoked.owner.close()
  const pid = deadPid()
  leave(file, { pid, createdAt: iso(0) })
  const { cleaned } = await cleanStaleLockFiles({ sessionsDir: dirname(file) })
  expect(cleaned).toMatchObject([{ pid, staleReasons: ['dead-pid'] }])
})

test('a file of an old gateway that lives stays, and is listed', async () => {
  const found = await judged({ pid: process.ppid, createdAt: iso(5000), maxHoldMs: 1 })
  expect(found).toMatchObject({ pid: process.ppid, pidAlive: true, stale: false, staleReasons: [], there: true })
})

test.skipIf(missing(procfs))('a process id that was given to somebody else is found out by its start', async () => {
  const mine = { pid: process.ppid, createdAt: iso(0) }
  const another = await judged({ ...mine, starttime: startOf(process.ppid) + 1 })
  expect(another).toMatchObject({ pidAlive: true, stale: true, staleReasons: ['recycled-pid'], there: false })
  const same = await judged({ ...mine, starttime: startOf(process.ppid) })
  expect(same).toMatchObject({ pidAlive: true, stale: false, there: true })
})

test('a file of an old gateway that is older than staleMs is stale, though its process lives', async () => {
  const payload = { pid: process.ppid, createdAt: iso(10_000) }
  expect(await judged(payload, 5_000)).toMatchObject({ stale: true, staleReasons: ['too-old'], there: false })
  expect(await judged(payload, 60_000)).toMatchObject({ stale: false, there: true })
  const old = { pid: process.ppid, createdAt: iso(1_900_000) }
  expect(await judged(old)).toMatchObject({ staleReasons: ['too-old'], there: false })
})

test.for(['', 'garbage', '{"pid":', '[]', 'null', '{"pid":-1,"createdAt":"soon"}', '{"pid":"812"}'])(
  'a file that says nothing is removed, unless it may be being written: %j',
  async (text) => {
    const reasons = ['missing-pid', 'invalid-createdAt']
    const nothing = { pid: null, pidAlive: false, createdAt: null, ageMs: null, stale: true, staleReasons: reasons }
    expect(await judged(text)).toMatchObject({ ...nothing, removed: true, there: false })
    const file = sessionFile()
    leave(file, text)
    const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: dirname(file) })
    expect(locks).toMatchObject([{ ...nothing, removed: false }])
    expect([cleaned, existsSync(`${file}.lock`)]).toEqual([[], true])
  },
)

test('what is called like a lock file and is none of any gateway stays, unlisted', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  mkdirSync(`${file}.lock`)
  symlinkSync('nowhere', join(folder, 'b.jsonl.lock'))
  leave(join(folder, 'c.jsonl'), 'x'.repeat(100_000))
  leave(join(folder, 'package'), { pid: deadPid(), createdAt: iso(0) })
  expect(await cleanStaleLockFiles({ sessionsDir: folder })).toEqual(NOTHING)
  for (const name of [`${basename(file)}.lock`, 'c.jsonl.lock', 'package.lock']) {
    expect(existsSync(join(folder, name))).toBe(true)
  }
})

test('files of both kinds, left by one death, are one entry and go together', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file, legacyPeer: true })
  await gateway.kill()
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: dirname(file) })
  expect(cleaned).toEqual(locks)
  expect(cleaned).toMatchObject([{ pid: gateway.pid, staleReasons: ['dead-pid'], removed: true }])
  expect(existsSync(`${file}.lock`)).toBe(false)
  expect(await cleanStaleLockFiles({ sessionsDir: dirname(file) })).toEqual(NOTHING)
})

test('a session that a living old gateway has taken since its holder died is not stale yet', async () => {
  const file = sessionFile()
  await dieHolding(file)
  leave(file, { pid: process.ppid, createdAt: iso(0) })
  const params = { sessionsDir: dirname(file) }
  expect(await cleanStaleLockFiles(params)).toMatchObject({ locks: [{ stale: false }], cleaned: [] })
  leave(file, { pid: deadPid(), createdAt: iso(0) })
  expect(await cleanStaleLockFiles(params)).toMatchObject({ cleaned: [{ staleReasons: ['dead-pid'], removed: true }] })
  expect(await cleanStaleLockFiles(params)).toEqual(NOTHING)
})

test('one lock file that cannot be looked at is warned of, and hides no other', async () => {
  const file = sessionFile()
  const folder = dirname(file)
  mkdirSync(join(folder, 'a.jsonl.hold'))
  await dieHolding(file)
  const warnings: string[] = []
  const log = { warn: (message: string) => void warnings.push(message) }
  const { cleaned } = await cleanStaleLockFiles({ sessionsDir: folder, log })
  expect(cleaned).toMatchObject([{ lockPath: `${file}.lock` }])
  expect(warnings.filter((text) => text.includes('a.jsonl'))).toHaveLength(1)
})

test.skipIf(missing(root))('a lock file that cannot be written is told again, for nothing can be cleared', async () => {
  const file = sessionFile()
  await dieHolding(file)
  if (spawnSync('chattr', ['+i', `${file}.hold`]).status !== 0) {
    console.log('skipped: this filesystem lacks files that cannot be changed')
    return
  }
  try {
    const params = { sessionsDir: dirname(file) }
    for (let time = 0; time < 2; time++) {
      const { locks, cleaned } = await cleanStaleLockFiles(params)
      expect([locks.map(({ stale, removed }) => [stale, removed]), cleaned]).toEqual([[[true, false]], []])
    }
  } finally {
    spawnSync('chattr', ['-i', `${file}.hold`])
  }
})

test.for([
  [{}, 'params.sessionsDir'],
  [{ sessionsDir: '.', removeStale: 'no' }, 'params.removeStale'],
  [{ sessionsDir: '.', dryRun: true }, 'dryRun'],
] as const)('arguments are refused by name: %j', async ([params, named]) => {
  const attempt = cleanStaleLockFiles(params as unknown as Parameters<typeof cleanStaleLockFiles>[0])
  await expect(attempt).rejects.toThrow(TypeError)
  await expect(attempt).rejects.toThrow(named)
})

test.skipIf(missing(leases))(
  'a file of an old gateway on which somebody has a lease is left alone, without waiting',
  async () => {
    const file = sessionFile()
    leave(file, { pid: deadPid(), createdAt: new Date().toISOString() })
    await lease(`${file}.lock`)
    expect(await cleanStaleLockFiles({ sessionsDir: dirname(file) })).toEqual(NOTHING)
    expect(existsSync(`${file}.lock`)).toBe(true)
  },
)
