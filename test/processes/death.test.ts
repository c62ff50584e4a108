// However a holder ends, the kernel frees its lock and the next holder is told. Every waiter here waits for ever: no
// timer is armed, so nothing but the kernel's grant can answer it.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, describe, expect, onTestFinished, test } from 'vitest'

import { acquire, releaseAll, tryAcquire, type Hold } from '../../src/index.js'
import { Agent } from '../helpers/agent.js'
import { missing, posix } from '../helpers/capabilities.js'
import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { scratch } from '../helpers/scratch.js'
import { Thread } from '../helpers/thread.js'

const SECTION = fileURLToPath(new URL('../fixtures/section.mjs', import.meta.url))
const FOR_EVER = { timeout: Infinity }

// What a failed test left behind must not count in the next one.
afterEach(() => void releaseAll())

/** A process inside a section; it ends in its manner when it is told anything. */
async function processInside(path: string, manner: string): Promise<ChildProcess> {
  const child = fork(SECTION, [path, manner], { cwd: scratch(), stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

const MANNERS: [how: string, manner: string, end: (holder: ChildProcess) => void][] = [
  ['is killed by SIGKILL', 'signal', (holder) => void holder.kill('SIGKILL')],
  ['is killed by SIGTERM', 'signal', (holder) => void holder.kill('SIGTERM')],
  ['calls process.exit() inside its section', 'exit', (holder) => void holder.send('now')],
  ['throws an exception that nobody catches', 'uncaught', (holder) => void holder.send('now')],
  ['calls process.abort()', 'abort', (holder) => void holder.send('now')],
  ['has nothing left to do', 'drained', (holder) => void holder.send('now')],
]

describe.each(MANNERS)('when the holder %s', (_how, manner, end) => {
  test('a waiter blocked in another process is granted and told who died', async () => {
    const path = join(scratch(), 'data')
    const waiter = await Agent.start()
    const holder = await processInside(path, manner)
    const waiting = waiter.acquire(path, FOR_EVER)
    await waiterBlocked(`${path}.hold`, waiter.pid)

    end(holder)
    const hold = await waiting
    expect(hold.recoveredFrom).toMatchObject({
      pid: holder.pid,
      tid: 0,
      label: manner,
      state: 'held',
      reason: null,
    })
    expect(await waiter.isHeld(hold)).toBe(true)
  })

  test('a process that comes later needs no wait and is told who died', async () => {
    const path = join(scratch(), 'data')
    const holder = await processInside(path, manner)
    expect(tryAcquire(path)).toBeNull()
    const ended = once(holder, 'exit')

    end(holder)
    await ended
    const hold = tryAcquire(path)
    expect(hold?.recoveredFrom).toMatchObject({ pid: holder.pid, label: manner, state: 'held' })
    hold?.release()
  })
})

test.skipIf(missing(posix))('a stopped holder keeps the lock, and its death by SIGKILL frees it', async () => {
  const path = join(scratch(), 'data')
  const waiter = await Agent.start()
  const holder = await processInside(path, 'signal')
  const waiting = waiter.acquire(path, FOR_EVER)
  await waiterBlocked(`${path}.hold`, waiter.pid)
  holder.kill('SIGSTOP')
  expect(tryAcquire(path)).toBeNull()

  holder.kill('SIGKILL')
  expect((await waiting).recoveredFrom?.pid).toBe(holder.pid)
})

test('the death of a process frees all its locks', async () => {
  const folder = scratch()
  const paths = ['a', 'b', 'c'].map((name) => join(folder, name))
  const holder = await Agent.start()
  for (const path of paths) await holder.acquire(path)
  const waiting = paths.map((path) => acquire(path, FOR_EVER))
  for (const path of paths) await waiterBlocked(`${path}.hold`, process.pid)

  await holder.kill()
  for (const hold of await Promise.all(waiting)) {
    expect(hold.recoveredFrom?.pid).toBe(holder.pid)
    hold.release()
  }
})

test('the death of a waiter takes nothing from the holder and does not delay the next waiter', async () => {
  const path = join(scratch(), 'data')
  const [holder, doomed, next] = await Promise.all([Agent.start(), Agent.start(), Agent.start()])
  const hold = await holder.acquire(path)
  const lost = doomed.acquire(path, FOR_EVER).catch(() => 'died')
  await waiterBlocked(hold.lockfile, doomed.pid)
  const waiting = next.acquire(path, FOR_EVER)
  await waiterBlocked(hold.lockfile, next.pid)

  await doomed.kill()
  expect(await lost).toBe('died')
  expect(await holder.isHeld(hold)).toBe(true)
  expect(tryAcquire(path)).toBeNull()
  await holder.release(hold)
  expect((await waiting).recoveredFrom).toBeNull()
})

describe('worker.terminate()', () => {
  test('frees what the worker held, for a waiter blocked in another process', async () => {
    const path = join(scratch(), 'data')
    const [thread, waiter] = await Promise.all([Thread.start(), Agent.start()])
    const { threadId } = thread.worker
    await thread.acquire(path, { label: 'worker' })
    const waiting = waiter.acquire(path, FOR_EVER)
    await waiterBlocked(`${path}.hold`, waiter.pid)

    await thread.worker.terminate()
    expect((await waiting).recoveredFrom).toMatchObject({
      pid: process.pid,
      tid: threadId,
      label: 'worker',
      state: 'held',
    })
  })

  test('frees what the worker held, for a waiter of the same process', async () => {
    const path = join(scratch(), 'data')
    const thread = await Thread.start()
    await thread.acquire(path, { label: 'worker' })
    const waiting = acquire(path, FOR_EVER)
    await waiterBlocked(`${path}.hold`, process.pid)

    await thread.worker.terminate()
    const hold = await waiting
    expect(hold.recoveredFrom).toMatchObject({ pid: process.pid, label: 'worker', state: 'held' })
    hold.release()
  })

  test('frees the lock of a worker whose event loop is blocked', async () => {
    const path = join(scratch(), 'data')
    const [thread, waiter] = await Promise.all([Thread.start(), Agent.start()])
    await thread.acquire(path)
    const waiting = waiter.acquire(path, FOR_EVER)
    await waiterBlocked(`${path}.hold`, waiter.pid)
    thread.tell('block', 3_600_000)
    const unanswered = thread.ask('holds').catch(() => 'ended')
    await mustStayBlocked(unanswered)

    await thread.worker.terminate()
    expect((await waiting).recoveredFrom?.pid).toBe(process.pid)
  })

  test('leaves nothing behind of a worker that waited', async () => {
    const path = join(scratch(), 'data')
    const [holder, thread] = await Promise.all([Agent.start(), Thread.start()])
    const hold = await holder.acquire(path)
    const lost = thread.acquire(path, FOR_EVER).catch(() => 'ended')
    await waiterBlocked(hold.lockfile, process.pid)

    await thread.worker.terminate()
    expect(await lost).toBe('ended')
    const waiting = acquire(path, FOR_EVER)
    await holder.release(hold)
    const ours = await waiting
    expect(ours.recoveredFrom).toBeNull()
    ours.release()
  })
})

describe('recoveredFrom', () => {
  /** The next exclusive holder's view, from this process. */
  function next(path: string): Hold {
    const hold = tryAcquire(path, { label: 'next' })
    if (hold === null) throw new Error('the lock is not free')
    return hold
  }

  async function die(path: string, label: string): Promise<number> {
    const agent = await Agent.start()
    await agent.acquire(path, { label })
    await agent.kill()
    return agent.pid
  }

  test('is null for the first holder', () => {
    const hold = next(join(scratch(), 'data'))
    expect(hold.recoveredFrom).toBeNull()
    hold.release()
  })

  test('is null after a clean release in another process', async () => {
    const path = join(scratch(), 'data')
    const agent = await Agent.start()
    await agent.release(await agent.acquire(path))
    await agent.kill()

    const hold = next(path)
    expect(hold.recoveredFrom).toBeNull()
    hold.release()
  })

  test('is null again after a death that was recovered from and released', async () => {
    const path = join(scratch(), 'data')
    const pid = await die(path, 'dead')
    const agent = await Agent.start()
    const recovering = await agent.acquire(path)
    expect(recovering.recoveredFrom?.pid).toBe(pid)
    await agent.release(recovering)

    const hold = next(path)
    expect(hold.recoveredFrom).toBeNull()
    hold.release()
  })

  test('names the last one of several deaths in a row', async () => {
    const path = join(scratch(), 'data')
    await die(path, 'one')
    const pid = await die(path, 'two')
    const hold = next(path)
    expect(hold.recoveredFrom).toMatchObject({ pid, label: 'two' })
    hold.release()
  })

  test('tells when the dead hold began, and its fence', async () => {
    const path = join(scratch(), 'data')
    const agent = await Agent.start()
    const before = Date.now()
    const dead = await agent.acquire(path)
    const after = Date.now()
    await agent.kill()

    const hold = next(path)
    const since = hold.recoveredFrom?.since.getTime()
    expect(since).toBeGreaterThanOrEqual(before)
    expect(since).toBeLessThanOrEqual(after)
    // The record has the last number that may have been handed out.
    expect(hold.recoveredFrom?.fence).toBeGreaterThanOrEqual(dead.fence ?? NaN)
    hold.release()
  })

  test('tells of a hold that releaseAll() ended in another process', async () => {
    const path = join(scratch(), 'data')
    const agent = await Agent.start()
    await agent.acquire(path, { label: 'revoked' })
    const waiting = acquire(path, FOR_EVER)
    await waiterBlocked(`${path}.hold`, process.pid)

    expect(await agent.ask('releaseAll')).toBe(1)
    const hold = await waiting
    expect(hold.recoveredFrom).toMatchObject({
      pid: agent.pid,
      label: 'revoked',
      state: 'revoked',
      reason: 'released-all',
    })
    hold.release()
    const later = next(path)
    expect(later.recoveredFrom).toBeNull()
    later.release()
  })

  test('tells of a hold that releaseAll() ended in the same process, when the lock is handed over', async () => {
    const path = join(scratch(), 'data')
    const first = next(path)
    const waiting = acquire(path, FOR_EVER)
    const last = acquire(path, FOR_EVER)

    expect(releaseAll()).toBe(1)
    expect(first.held).toBe(false)
    const second = await waiting
    expect(second.recoveredFrom).toMatchObject({
      pid: process.pid,
      label: 'next',
      state: 'revoked',
      reason: 'released-all',
      fence: first.fence,
    })
    second.release()
    const third = await last
    expect(third.recoveredFrom).toBeNull()
    third.release()
  })

  test('is null when the lock is handed over after a clean release', async () => {
    const path = join(scratch(), 'data')
    await die(path, 'dead')
    const first = next(path)
    const waiting = acquire(path, FOR_EVER)
    expect(first.recoveredFrom).not.toBeNull()

    first.release()
    const second = await waiting
    expect(second.recoveredFrom).toBeNull()
    second.release()
  })

  test('names the process when it dies with a lock that was handed over inside it', async () => {
    const path = join(scratch(), 'data')
    const agent = await Agent.start()
    const first = await agent.acquire(path, { label: 'lane' })
    const second = agent.acquire(path, { label: 'lane' })
    await agent.release(first)
    await second
    await agent.kill()

    const hold = next(path)
    expect(hold.recoveredFrom).toMatchObject({ pid: agent.pid, label: 'lane', state: 'held' })
    hold.release()
  })

  test('is reported by every shared holder and cleared by none', async () => {
    const path = join(scratch(), 'data')
    const pid = await die(path, 'dead')
    const agent = await Agent.start()
    const sharedThere = await agent.acquire(path, { mode: 'shared' })
    const sharedHere = [tryAcquire(path, { mode: 'shared' }), tryAcquire(path, { mode: 'shared' })]
    expect(sharedThere.recoveredFrom?.pid).toBe(pid)
    for (const hold of sharedHere) expect(hold?.recoveredFrom?.pid).toBe(pid)
    for (const hold of sharedHere) hold?.release()
    await agent.release(sharedThere)

    const again = tryAcquire(path, { mode: 'shared' })
    expect(again?.recoveredFrom?.pid).toBe(pid)
    again?.release()
    const exclusive = next(path)
    expect(exclusive.recoveredFrom).toMatchObject({ pid, label: 'dead', state: 'held' })
    exclusive.release()
    const cleared = tryAcquire(path, { mode: 'shared' })
    expect(cleared?.recoveredFrom).toBeNull()
    cleared?.release()
  })

  test('says nothing of a shared holder that died', async () => {
    const path = join(scratch(), 'data')
    const agent = await Agent.start()
    await agent.acquire(path, { mode: 'shared' })
    await agent.kill()

    const hold = next(path)
    expect(hold.recoveredFrom).toBeNull()
    hold.release()
  })
})

describe('fence', () => {
  test('grows from holder to holder, across processes, threads, deaths, revocations and hand-overs', async () => {
    const path = join(scratch(), 'data')
    const fences: (number | null | undefined)[] = []
    const [one, two, thread] = await Promise.all([Agent.start(), Agent.start(), Thread.start()])

    const released = await one.acquire(path)
    fences.push(released.fence)
    await one.release(released)
    fences.push((await two.acquire(path)).fence)
    await two.kill()
    fences.push((await one.acquire(path)).fence)
    await one.ask('releaseAll')
    fences.push((await thread.acquire(path)).fence)
    await thread.worker.terminate()
    const hold = await acquire(path)
    fences.push(hold.fence)
    const waiting = acquire(path)
    hold.release()
    const handedOver = await waiting
    fences.push(handedOver.fence)
    handedOver.release()
    fences.push((await one.acquire(path)).fence)

    expect(fences).not.toContain(null)
    expect(fences).toEqual([...new Set(fences)].sort((a, b) => Number(a) - Number(b)))
  })

  test('grows from the number in the lock file, though the clock is behind it', async () => {
    const path = join(scratch(), 'data')
    const first = await acquire(path)
    first.release()
    // As a holder whose clock is an hour ahead would leave it; the clock alone cannot make the next one larger.
    const ahead = (Date.now() + 3_600_000) * 1000
    const record = readFileSync(first.lockfile, 'latin1')
    writeFileSync(first.lockfile, record.replace(/"fence": *\d+/, `"fence":${String(ahead).padStart(16)}`), 'latin1')

    let last = ahead - 1
    async function lane(): Promise<void> {
      const hold = await acquire(path)
      expect(hold.fence).toBeGreaterThan(last)
      last = hold.fence ?? NaN
      hold.release()
    }
    // More than the numbers that one write sets aside.
    await Promise.all(Array.from({ length: 40 }, lane))

    const dying = await Agent.start()
    const dead = await dying.acquire(path)
    expect(dead.fence).toBeGreaterThan(last)
    await dying.kill()
    const recovering = await acquire(path)
    expect(recovering.fence).toBeGreaterThan(dead.fence ?? NaN)
    recovering.release()
  })

  test('is null for shared holds, and they leave the number as it is', async () => {
    const path = join(scratch(), 'data')
    const first = await acquire(path)
    first.release()
    const before = readFileSync(first.lockfile)
    const shared = await acquire(path, { mode: 'shared' })
    expect(shared.fence).toBeNull()
    shared.release()
    expect(readFileSync(first.lockfile)).toEqual(before)
  })
})
