// What the adapter does when the process is told to end, and that it takes nothing from anybody else who listens.
import { dirname } from 'node:path'

import { expect, onTestFinished, test, vi } from 'vitest'

import {
  __testing,
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  drainSessionWriteLockStateForTest,
  resetSessionWriteLockStateForTest,
} from '../../src/adapters/session-write-lock.js'
import { inspect, tryAcquire } from '../../src/index.js'
import { missing, posix } from '../helpers/capabilities.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { Gateway, sessionFile } from './gateway.js'

const { cleanupSignals, handleTerminationSignal, releaseAllLocksSync } = __testing
const EVENTS = [...cleanupSignals, 'exit'] as const

type Counts = Record<(typeof EVENTS)[number], number>

/** How many listen now. */
function counts(): Counts {
  const found = EVENTS.map((event) => [event, process.listenerCount(event)])
  return Object.fromEntries(found) as Counts
}

function withOneMore(before: Counts): Counts {
  return Object.fromEntries(EVENTS.map((event) => [event, before[event] + 1])) as Counts
}

test('these are the signals', () => {
  expect(cleanupSignals).toEqual(['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGABRT'])
})

test.skipIf(missing(posix)).for(cleanupSignals)(
  '%s ends a process in which nobody else listens, as if the adapter did not either, and leaves no session cut off',
  async (signal) => {
    const file = sessionFile()
    const gateway = await Gateway.start()
    await gateway.acquire({ sessionFile: file, legacyPeer: true })
    await gateway.kill(signal)
    expect(await gateway.ended).toEqual({ code: null, signal })
    const { state, record } = inspect(file)
    expect([state, record?.state, record?.reason]).toEqual(['abandoned', 'revoked', 'owner-closed'])
    expect(await cleanStaleLockFiles({ sessionsDir: dirname(file) })).toEqual({ locks: [], cleaned: [] })
  },
)

test.skipIf(missing(posix)).for([false, true])(
  'a process with a listener of its own goes on after a signal, without its sessions; it listens once: %s',
  async (once) => {
    const file = sessionFile()
    const gateway = await Gateway.start()
    await gateway.ask('listen', 'SIGTERM', once) // before the adapter does
    await gateway.acquire({ sessionFile: file })
    const heard = gateway.hears()
    gateway.process.kill('SIGTERM')
    expect(await heard).toMatchObject({ signal: 'SIGTERM', held: [false] })
    using hold = tryAcquire(file)
    expect(hold?.recoveredFrom).toMatchObject({ state: 'revoked', pid: gateway.pid })
    hold?.release()
    // And it may lock again.
    await gateway.acquire({ sessionFile: file, timeoutMs: 1 })
    expect(await gateway.ask<string[]>('heard')).toEqual(['SIGTERM'])
    if (!once) return
    await gateway.kill('SIGTERM')
    expect(await gateway.ended).toEqual({ code: null, signal: 'SIGTERM' })
  },
)

test('process.exit() ends the holds in order, and its code is kept', async () => {
  const file = sessionFile()
  const gateway = await Gateway.start()
  await gateway.acquire({ sessionFile: file })
  gateway.tell('exit', 7)
  expect(await gateway.ended).toEqual({ code: 7, signal: null })
  expect(inspect(file).record?.state).toBe('revoked')
})

test('there is one listener for each event from the first lock on, however many locks, and none after a reset', async () => {
  const file = sessionFile()
  const before = counts()
  for (let time = 0; time < 30; time++) {
    const lock = await acquireSessionWriteLock({ sessionFile: `${file}${time}` })
    if (time % 2 === 0) await lock.release()
    expect(counts()).toEqual(withOneMore(before))
  }
  resetSessionWriteLockStateForTest()
  expect(counts()).toEqual(before)
  resetSessionWriteLockStateForTest()
  expect(counts()).toEqual(before)
  await acquireSessionWriteLock({ sessionFile: file })
  expect(counts()).toEqual(withOneMore(before))
})

test('who only waits listens to nothing', async () => {
  const file = sessionFile()
  const before = counts()
  using foreign = tryAcquire(file)
  await expect(acquireSessionWriteLock({ sessionFile: file, timeoutMs: 1 })).rejects.toThrow('session file locked')
  expect(counts()).toEqual(before)
  expect(foreign?.held).toBe(true)
})

test('importing the adapter listens to nothing', async () => {
  const gateway = await Gateway.start()
  const none = Object.fromEntries(EVENTS.map((event) => [event, 0]))
  expect(await gateway.ask<Counts>('listeners')).toEqual(none)
})

test('two copies of the adapter have one listener, which ends the holds of both', async () => {
  const [file, other] = [sessionFile(), sessionFile()]
  const before = counts()
  vi.resetModules()
  const copy = await import('../../src/adapters/session-write-lock.js')
  onTestFinished(() => copy.resetSessionWriteLockStateForTest())
  expect(copy.acquireSessionWriteLock).not.toBe(acquireSessionWriteLock)
  const locks = [
    await acquireSessionWriteLock({ sessionFile: file }),
    await copy.acquireSessionWriteLock({ sessionFile: other }),
  ]
  expect(counts()).toEqual(withOneMore(before))
  const listener = vi.fn()
  process.once('SIGTERM', listener)
  process.emit('SIGTERM')
  expect(listener).toHaveBeenCalledOnce()
  expect(locks.map(({ held }) => held)).toEqual([false, false])
  resetSessionWriteLockStateForTest()
  expect(counts()).toEqual(withOneMore(before))
  copy.resetSessionWriteLockStateForTest()
  expect(counts()).toEqual(before)
})

test.for(cleanupSignals)('no other listener of %s is touched, and with one nothing is raised again', async (signal) => {
  const file = sessionFile()
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  onTestFinished(() => kill.mockRestore())
  const others = [vi.fn(), vi.fn()] as const
  process.on(signal, others[0])
  await acquireSessionWriteLock({ sessionFile: file })
  process.on(signal, others[1])
  onTestFinished(() => others.forEach((listener) => process.off(signal, listener)))
  handleTerminationSignal(signal)
  process.emit(signal)
  expect(process.listeners(signal)).toEqual(expect.arrayContaining([...others]))
  for (const listener of others) expect(listener).toHaveBeenCalledOnce()
  expect(kill).not.toHaveBeenCalled()
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})

test('a sole listener that is not ours is not ours to raise a signal for', () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  onTestFinished(() => kill.mockRestore())
  const listener = vi.fn()
  process.on('SIGQUIT', listener)
  onTestFinished(() => void process.off('SIGQUIT', listener))
  expect(process.listenerCount('SIGQUIT')).toBe(1)
  handleTerminationSignal('SIGQUIT')
  expect(kill).not.toHaveBeenCalled()
})

test('after a signal that was raised again and survived, the next lock listens again', async () => {
  const file = sessionFile()
  const before = counts()
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  onTestFinished(() => kill.mockRestore())
  await acquireSessionWriteLock({ sessionFile: file })
  expect(process.listenerCount('SIGQUIT')).toBe(1)
  process.emit('SIGQUIT')
  expect(kill.mock.calls).toEqual([[process.pid, 'SIGQUIT']])
  expect(counts()).toEqual({ ...withOneMore(before), SIGQUIT: 0 })
  await acquireSessionWriteLock({ sessionFile: file })
  expect(counts()).toEqual(withOneMore(before))
})

test('releaseAllLocksSync() frees every session before it returns, tells the handles, and leaves other holds alone', async () => {
  const [file, other, foreign] = [sessionFile(), sessionFile(), sessionFile()]
  const lock = await acquireSessionWriteLock({ sessionFile: file, legacyPeer: true })
  const inner = await acquireSessionWriteLock({ sessionFile: file, allowReentrant: true })
  await acquireSessionWriteLock({ sessionFile: other })
  using kept = tryAcquire(foreign)
  releaseAllLocksSync()
  for (const path of [file, other]) {
    using hold = tryAcquire(path)
    expect(hold?.held).toBe(true)
  }
  expect([lock.held, inner.held, lock.signal.aborted, inner.signal.aborted]).toEqual([false, false, true, true])
  expect(kept?.held).toBe(true)
  await expect(lock.release()).resolves.toBeUndefined()
  await expect(lock.guard(() => 'written')).rejects.toMatchObject({ code: 'ERR_LOCK_LOST' })
})

test('drain ends every hold and waits for what is guarded', async () => {
  const file = sessionFile()
  const before = counts()
  const lock = await acquireSessionWriteLock({ sessionFile: file })
  let end = (): void => {}
  const guarded = lock.guard(() => new Promise<void>((resolve) => (end = resolve)))
  const drained = drainSessionWriteLockStateForTest()
  expect(lock.held).toBe(false)
  expect(counts()).toEqual(before)
  await mustStayBlocked(drained)
  end()
  await Promise.all([drained, guarded])
  using hold = tryAcquire(file)
  expect(hold?.held).toBe(true)
})
