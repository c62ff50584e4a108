// releaseAll() in the last moments of a process: synchronous, complete and heard. Handlers are the program's own; the
// library installs none.
import { fork } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

import { acquire, releaseAll, tryAcquire, type Hold, type LockEvent } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { missing, posix } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { startFixture } from '../helpers/sections.js'
import { file } from '../helpers/target.js'
import { until } from '../helpers/until.js'

interface Seen {
  readonly count: number
  readonly left: number
  readonly revoked: { path: string; reason: string; cause: unknown; owner: string | null }[]
  readonly aborted: number
  readonly again: number
}

const HANDLERS = ['uncaughtException', 'unhandledRejection', 'exit', 'beforeExit', 'SIGTERM', 'SIGINT'] as const

test.skipIf(missing(posix)).for(HANDLERS)(
  "releaseAll() in a handler of '%s' frees every lock and tells of it before it returns",
  async (where) => {
    const [path, folder] = [file(), scratch()]
    const child = await startFixture('last-words.mjs', where, path, folder)
    const pid = child.pid ?? -1
    const paths = [path, `${path}2`, `${path}4`, `${path}5`]
    for (const held of paths) await expect(acquire(held, { timeout: 0 })).rejects.toMatchObject({ holder: { pid } })
    const other = await Agent.start()
    const waiting = other.acquire(path, { timeout: Infinity })

    if (where.startsWith('SIG')) child.kill(where as NodeJS.Signals)
    else child.send('go')
    await until('it was in its handler', () => existsSync(join(folder, 'seen')))
    // It is in its handler still, so that all it did is done.
    const holds = await Promise.all(paths.slice(1).map((held) => acquire(held, { timeout: Infinity })))
    for (const hold of holds) {
      expect(hold.recoveredFrom).toMatchObject({ state: 'revoked', reason: 'released-all', pid })
    }
    const next = await waiting
    expect(next.recoveredFrom).toMatchObject({ state: 'revoked', reason: 'released-all', pid })
    expect(await other.tryAcquire(`${path}3`)).not.toBeNull()
    expect(child.exitCode).toBeNull()

    const seen = JSON.parse(readFileSync(join(folder, 'seen'), 'utf8')) as Seen
    expect(seen).toMatchObject({ count: 6, left: 0, aborted: 6, again: 0 })
    const ended = [path, path, `${path}2`, `${path}3`, `${path}4`, `${path}5`]
    expect(seen.revoked.map((event) => event.path).sort()).toEqual(ended.sort())
    for (const event of seen.revoked) expect(event).toMatchObject({ reason: 'released-all', cause: 'the end' })
    expect(seen.revoked.filter(({ owner }) => owner === 'lane')).toHaveLength(2)
    const exited = once(child, 'exit')
    writeFileSync(join(folder, 'go'), '')
    expect(await exited).toEqual([0, null])
    expect(await other.isHeld(next)).toBe(true)
    expect(holds.map((hold) => hold.held)).toEqual([true, true, true])
  },
)

test('the library installs no handler of the process, whatever is used of it', async () => {
  const child = fork(fileURLToPath(new URL('../fixtures/quiet.mjs', import.meta.url)), [scratch()])
  onTestFinished(() => void child.kill('SIGKILL'))
  const [seen] = (await once(child, 'message')) as [Record<'before' | 'during' | 'after', string[]>]
  expect(seen.during).toEqual(seen.before)
  expect(seen.after).toEqual(seen.before)
})

test('releaseAll() ends what the listeners of a signal acquire in its course, at the next call only', async () => {
  const path = file()
  const hold = await acquire(path)
  const more: Promise<Hold>[] = []
  hold.signal.addEventListener('abort', () => more.push(acquire(path)))
  expect(releaseAll()).toBe(1)
  const [next] = await Promise.all(more)
  expect(next?.held).toBe(true)
  expect(releaseAll()).toBe(1)
  expect(next?.held).toBe(false)
})

test('releaseAll() rejects nobody who waits: a lock that others of the thread wait for goes to them', async () => {
  const path = file()
  const hold = await acquire(path)
  const waiting = acquire(path)
  expect(releaseAll()).toBe(1)
  expect(hold.held).toBe(false)
  const next = await waiting
  expect(next.recoveredFrom).toMatchObject({ state: 'revoked', reason: 'released-all', pid: process.pid })
  expect(next.held).toBe(true)
})

test('releaseAll() in a subscriber: of no hold the end is told before the beginning', async () => {
  const paths = [file(), file()]
  const told: string[] = []
  const note = (what: string) => (event: unknown) => void told.push(`${(event as LockEvent).path} ${what}`)
  const [began, ended] = [note('began'), note('ended')]
  const begins = (event: unknown) => {
    began(event)
    releaseAll()
  }
  subscribe('holdfast:hold', begins)
  subscribe('holdfast:revoke', ended)
  onTestFinished(() => {
    unsubscribe('holdfast:hold', begins)
    unsubscribe('holdfast:revoke', ended)
  })
  const taken = paths.map((path) => tryAcquire(path))
  await until('all is told', () => told.length === 4)
  expect(taken.map((hold) => hold?.held)).toEqual([false, false])
  for (const path of paths) {
    expect(told.filter((line) => line.startsWith(path))).toEqual([`${path} began`, `${path} ended`])
  }
})

test('an error that a subscriber throws reaches a handler of uncaught exceptions, where releaseAll() works', async () => {
  const path = file()
  const child = await startFixture('bad-subscriber.mjs', path)
  const [seen] = (await once(child, 'message')) as [{ error: string; count: number; held: boolean }]
  expect(seen).toEqual({ error: 'of the subscriber', count: 1, held: false })
  expect(tryAcquire(path)).not.toBeNull()
})
