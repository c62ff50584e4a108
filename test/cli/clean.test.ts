// `holdfast clean`: what it removes, what it keeps, and that it takes no lock from anybody.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, onTestFinished, test } from 'vitest'

import { judgeLegacy } from '../../src/cli/clean/legacy.js'
import { judgeLockFile } from '../../src/cli/clean/lock-file.js'
import { tryAcquire } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { anotherUser, missing, posix } from '../helpers/capabilities.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { scratch } from '../helpers/scratch.js'
import { holdfast, PROGRAM } from './program.js'

interface OutcomeJson {
  path: string
  kind: string
  action: string
  reason: string
  pid: number | null
}

/** What is told of each file, by its name. */
function clean(folder: string, ...args: string[]): Record<string, string> {
  const { status, stdout, stderr } = holdfast(['clean', folder, '--json', ...args])
  expect([status, stderr]).toEqual([0, ''])
  const outcomes = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as OutcomeJson)
  return Object.fromEntries(
    outcomes.map((each) => [each.path.slice(folder.length + 1), `${each.action} ${each.reason}`]),
  )
}

function freeLock(file: string): void {
  tryAcquire(file)?.release()
}

async function abandonedLock(file: string): Promise<void> {
  const agent = await Agent.start()
  await agent.acquire(file)
  await agent.kill()
}

/** An id that no process has. */
const NOBODY = 4_194_305

const LONG_AGO = new Date('2020-01-01')

describe('clean', () => {
  test('tells what it would remove, and removes it with --yes alone', () => {
    const folder = scratch()
    freeLock(join(folder, 'free'))
    writeFileSync(join(folder, 'empty.hold'), '')
    const told = { 'free.hold': 'would-remove free', 'empty.hold': 'would-remove free' }
    expect(clean(folder)).toEqual(told)
    expect(readdirSync(folder)).toHaveLength(2)
    const { stdout } = holdfast(['clean', folder])
    expect(stdout).toContain('would remove  ')
    expect(stdout).toContain('2 would be removed, 0 kept. Nothing is removed without --yes.')
    expect(clean(folder, '--yes')).toEqual({ 'free.hold': 'removed free', 'empty.hold': 'removed free' })
    expect(readdirSync(folder)).toEqual([])
    expect(holdfast(['clean', folder, '--yes']).stdout).toBe('0 removed, 0 kept, 0 failed.\n')
  })

  test('keeps what is held, shared or exclusively', async () => {
    const folder = scratch()
    const agent = await Agent.start()
    await agent.acquire(join(folder, 'held'))
    await agent.acquire(join(folder, 'shared'), { mode: 'shared' })
    await agent.acquire(join(folder, 'quiet'), { record: false })
    const found = clean(folder, '--yes', '--abandoned', '--legacy')
    expect(found).toMatchObject({ 'held.hold': 'kept held', 'quiet.hold': 'kept held' })
    // Where the system does not tell of shared holders, the lock itself refuses.
    expect(found['shared.hold']).toBe('kept held')
    for (const name of ['held', 'shared', 'quiet']) expect(existsSync(join(folder, `${name}.hold`))).toBe(true)
  })

  test('keeps the word of a death for the next holder, unless --abandoned says that nobody needs it', async () => {
    const folder = scratch()
    await abandonedLock(join(folder, 'dead'))
    expect(clean(folder, '--yes')).toEqual({ 'dead.hold': 'kept abandoned' })
    const hold = tryAcquire(join(folder, 'dead'))
    expect(hold?.recoveredFrom).toMatchObject({ state: 'held' })
    hold?.release()
    await abandonedLock(join(folder, 'dead'))
    expect(clean(folder, '--yes', '--abandoned')).toEqual({ 'dead.hold': 'removed abandoned' })
  })

  test.each([
    ['text', 'of somebody'],
    ['a record with more behind it', `holdfast {"v":1,"state":"free","pid":1,"since":0}`.padEnd(512) + 'more'],
    ['a record that cannot be read', `holdfast {"v":1,"state":"unheard of"}`.padEnd(512)],
    ['one byte', '\0'],
  ])('keeps a file of somebody else: %s', (_, content) => {
    const folder = scratch()
    writeFileSync(join(folder, 'data.hold'), content)
    expect(clean(folder, '--yes', '--abandoned')['data.hold']).toMatch(/^kept (foreign-content|unreadable)$/)
    expect(readFileSync(join(folder, 'data.hold'), 'utf8')).toBe(content)
  })

  test('touches no links, no folders, and nothing in folders without -r', () => {
    const folder = scratch()
    const other = scratch()
    freeLock(join(other, 'other'))
    symlinkSync(join(other, 'other.hold'), join(folder, 'link.hold'))
    symlinkSync(other, join(folder, 'linked'))
    mkdirSync(join(folder, 'folder.hold'))
    mkdirSync(join(folder, 'deep'))
    freeLock(join(folder, 'deep', 'file'))
    expect(clean(folder, '--yes')).toEqual({})
    expect(clean(folder, '--yes', '-r')).toEqual({ [join('deep', 'file.hold')]: 'removed free' })
    expect(existsSync(join(other, 'other.hold'))).toBe(true)
  })

  test.skipIf(missing(anotherUser, posix))('exits with 1, and says why, where a removal is refused', () => {
    const folder = scratch()
    freeLock(join(folder, 'file'))
    chmodSync(folder, 0o755)
    chmodSync(join(folder, 'file.hold'), 0o666)
    const nobody = { uid: 65534, gid: 65534, cwd: '/', encoding: 'utf8' } as const
    const { status, stdout } = spawnSync(process.execPath, [PROGRAM, 'clean', '--yes', folder], nobody)
    expect(status).toBe(1)
    expect(stdout).toMatch(/failed +.*EACCES/)
    expect(existsSync(join(folder, 'file.hold'))).toBe(true)
  })

  test.skipIf(missing(anotherUser, posix))('tells of a folder in DIR that it may not read, and goes on', () => {
    const folder = scratch()
    chmodSync(folder, 0o755)
    mkdirSync(join(folder, 'closed'), { mode: 0o700 })
    writeFileSync(join(folder, 'file.hold'), '', { mode: 0o644 })
    const nobody = { uid: 65534, gid: 65534, cwd: '/', encoding: 'utf8' } as const
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'clean', '-r', folder], nobody)
    expect(status).toBe(0)
    expect(stderr).toMatch(/^holdfast: Error: EACCES: .*closed'\n$/)
    expect(stdout).toContain('1 would be removed, 0 kept.')
  })

  test('says nothing of what is gone by the time it is judged', () => {
    const folder = scratch()
    expect(judgeLockFile(join(folder, 'file.hold'), true)).toBeNull()
    expect(judgeLegacy(join(folder, 'file.lock'), 0, Date.now())).toBeNull()
  })

  test.skipIf(missing(posix))('keeps what has become a link by the time it is judged', () => {
    const link = join(scratch(), 'link.hold')
    symlinkSync('elsewhere', link)
    const why = expect.stringContaining('ELOOP') as string
    expect(judgeLockFile(link, true)).toMatchObject({ reason: 'unreadable', why, remove: null })
  })

  test('needs one DIR, which is there', () => {
    expect(holdfast(['clean'])).toMatchObject({ status: 64 })
    expect(holdfast(['clean', 'a', 'b'])).toMatchObject({ status: 64 })
    expect(holdfast(['clean', join(scratch(), 'none')])).toMatchObject({ status: 71 })
    expect(holdfast(['clean', '.', '--older-than', 'x'])).toMatchObject({ status: 64 })
  })
})

describe('leftovers of other protocols', () => {
  test('are looked at with --legacy only, and judged each by its own rules', () => {
    const folder = scratch()
    const lock = (name: string, content: string): void => writeFileSync(join(folder, `${name}.lock`), content)
    lock('dead', JSON.stringify({ pid: NOBODY, createdAt: new Date().toISOString() }))
    lock('alive', JSON.stringify({ pid: process.pid, createdAt: LONG_AGO.toISOString() }))
    lock('recycled', JSON.stringify({ pid: process.pid, createdAt: LONG_AGO.toISOString(), starttime: 1 }))
    lock('yarn', '# yarn lockfile v1')
    lock('package', JSON.stringify({ version: 1, packages: {} }))
    mkdirSync(join(folder, 'touched.lock'))
    mkdirSync(join(folder, 'forgotten.lock'))
    utimesSync(join(folder, 'forgotten.lock'), LONG_AGO, LONG_AGO)
    mkdirSync(join(folder, 'full.lock'))
    writeFileSync(join(folder, 'full.lock', 'data'), '')
    utimesSync(join(folder, 'full.lock'), LONG_AGO, LONG_AGO)
    const before = readdirSync(folder)

    expect(clean(folder, '--yes')).toEqual({})
    expect(readdirSync(folder)).toEqual(before)
    const recycled = process.platform === 'linux' ? 'removed recycled-pid' : 'kept live-pid'
    expect(clean(folder, '--yes', '--legacy')).toEqual({
      'dead.lock': 'removed dead-pid',
      'alive.lock': 'kept live-pid',
      'recycled.lock': recycled,
      'touched.lock': 'kept recent',
      'forgotten.lock': 'removed old',
    })
    const left = ['alive.lock', 'full.lock', 'package.lock', 'touched.lock', 'yarn.lock']
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(left))
    expect(readdirSync(folder)).not.toContain('dead.lock')
  })

  test('that are empty files are removed when they are old, and never while their kernel lock is held', () => {
    const folder = scratch()
    const file = join(folder, 'file.lock')
    writeFileSync(file, '')
    expect(clean(folder, '--legacy', '--yes')).toEqual({ 'file.lock': 'kept recent' })
    const hold = tryAcquire(file, { lockfile: file, record: false })
    expect(clean(folder, '--legacy', '--yes', '--older-than', '0')).toEqual({ 'file.lock': 'kept held' })
    hold?.release()
    expect(clean(folder, '--legacy', '--yes', '--older-than', '0')).toEqual({ 'file.lock': 'removed old' })
  })

  test('of a gateway are kept while a gateway that uses both protocols holds the session', async () => {
    const folder = scratch()
    const file = join(folder, 'session.jsonl')
    const agent = await Agent.start()
    await agent.acquire(file)
    writeFileSync(`${file}.lock`, JSON.stringify({ pid: NOBODY }))
    const kept = { 'session.jsonl.hold': 'kept held', 'session.jsonl.lock': 'kept held' }
    expect(clean(folder, '--legacy', '--yes')).toEqual(kept)
  })
})

describe('while others lock', () => {
  const COUNTING = fileURLToPath(new URL('fixtures/counting.mjs', import.meta.url))
  const CLEANER = fileURLToPath(new URL('fixtures/cleaner.mjs', import.meta.url))

  test('no increment of an unguarded counter is lost, though lock files are removed again and again', async () => {
    const folder = scratch()
    const counter = join(folder, 'counter')
    writeFileSync(counter, '0')
    const cleaners = [1, 2].map(() => spawn(process.execPath, [CLEANER, PROGRAM, folder], { stdio: 'pipe' }))
    for (const cleaner of cleaners) onTestFinished(() => void cleaner.kill('SIGKILL'))
    let removals = 0
    for (const { stdout } of cleaners)
      stdout.setEncoding('utf8').on('data', (text: string) => (removals += text.length))
    await Promise.all(cleaners.map(({ stdout }) => once(stdout, 'data')))

    const [processes, times] = [3, 300]
    const args = [COUNTING, counter, String(times)]
    const crowd = Array.from({ length: processes }, () => spawn(process.execPath, args, { stdio: 'inherit' }))
    const codes = await Promise.all(crowd.map(async (child) => ((await once(child, 'exit')) as [number])[0]))
    expect(codes).toEqual(crowd.map(() => 0))
    expect(readFileSync(counter, 'utf8')).toBe(String(processes * times))
    expect(removals).toBeGreaterThan(20)
  })

  test('a waiter that had the removed file open is granted the lock that is there then', async () => {
    const folder = scratch()
    const file = join(folder, 'file')
    const [one, two] = [await Agent.start(), await Agent.start()]
    const hold = await one.acquire(file)
    const granted = two.acquire(file)
    await waiterBlocked(`${file}.hold`, two.pid)
    expect(clean(folder, '--yes')).toEqual({ 'file.hold': 'kept held' })
    await one.release(hold)
    const next = await granted
    await two.assertHeld(next)
    expect(await one.tryAcquire(file)).toBeNull()
  })
})
