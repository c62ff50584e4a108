// What the watch tells of real locks: of this process, and of others.
import { channel } from 'node:diagnostics_channel'
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { acquire, Owner, releaseAll } from 'holdfast'
import { openTranscript } from 'holdfast/session'
import { describe, expect, onTestFinished, test } from 'vitest'

import { assemble } from '../../examples/gateway/src/page/assemble.js'
import { EDGES, Times } from '../../examples/gateway/src/page/histogram.js'
import type { Histogram, LockView, Notice, NoticeKind } from '../../examples/gateway/src/page/state.js'
import { Watch, type WatchOptions } from '../../examples/gateway/src/page/watch.js'
import { Agent } from '../helpers/agent.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { HOSTILE } from './page/hostile.js'

/** A watch for one test; what this process holds at the end is released. */
function watching(options?: WatchOptions): Watch {
  const watch = new Watch(options)
  onTestFinished(() => {
    releaseAll()
    watch.close()
  })
  return watch
}

function file(): string {
  return join(scratch(), 'file')
}

function look(watch: Watch, path: string): LockView {
  const [view] = watch.look([{ name: 'it', path }])
  if (view === undefined) throw new Error('there is no view')
  return view
}

/** The last to come first. */
function told(watch: Watch, kind: NoticeKind): Notice[] {
  return watch.notices.filter((notice) => notice.kind === kind)
}

function count({ counts }: Histogram): number {
  return counts.reduce((sum, each) => sum + each, 0)
}

const hour = 3_600_000

describe('who holds and who waits', () => {
  test('a lock that nobody ever had is free', () => {
    expect(look(watching(), file())).toEqual({ name: 'it', holder: null, cutOff: null, trouble: null, waiters: [] })
  })

  test('a hold of this process shows its owner, its label and since when', async () => {
    const watch = watching()
    const path = file()
    const before = Date.now()
    const hold = await acquire(path, { owner: new Owner('main a'), label: 'turn' })
    const { holder } = look(watch, path)
    expect(holder).toMatchObject({ who: 'main a · turn', pid: process.pid })
    expect(holder?.since).toBeGreaterThanOrEqual(before - 1)
    expect(holder?.since).toBeLessThanOrEqual(Date.now() + 1)
    hold.release()
    expect(look(watch, path).holder).toBeNull()
  })

  test('a hold of another process shows what its record says', async () => {
    const watch = watching()
    const path = file()
    const other = await Agent.start()
    const hold = await other.acquire(path, { label: 'cron nightly' })
    expect(look(watch, path).holder).toMatchObject({ who: 'cron nightly', pid: other.pid })
    await other.release(hold)
    expect(look(watch, path)).toMatchObject({ holder: null, cutOff: null })
  })

  test('those who wait stand in the order in which they came, each until it is answered', async () => {
    const watch = watching()
    const path = file()
    const names = (): string[] => look(watch, path).waiters.map(({ who }) => who)
    const other = await Agent.start()
    const hold = await other.acquire(path)
    const leaving = new AbortController()
    const first = acquire(path, { owner: new Owner('first'), timeout: hour })
    const second = acquire(path, { owner: new Owner('second'), timeout: hour, signal: leaving.signal })
    const third = acquire(path, { label: 'third', timeout: hour })
    expect(names()).toEqual(['first', 'second', 'third'])
    leaving.abort()
    await expect(second).rejects.toThrow()
    expect(names()).toEqual(['first', 'third'])
    await other.release(hold)
    const granted = await first
    expect(names()).toEqual(['third'])
    expect(look(watch, path).holder).toMatchObject({ who: 'first', pid: process.pid })
    granted.release()
    await third
    expect(names()).toEqual([])
    expect(look(watch, path).holder).toMatchObject({ who: 'third' })
  })

  test('a lock whose holder was killed is free, and shows who was cut off, until somebody has it again', async () => {
    const watch = watching()
    const path = file()
    const other = await Agent.start()
    await other.acquire(path, { label: 'main a' })
    await other.kill()
    await until('the lock is free', () => look(watch, path).holder === null)
    expect(look(watch, path).cutOff).toMatchObject({ who: 'main a', pid: other.pid })
    const hold = await acquire(path, { label: 'main b' })
    expect(look(watch, path)).toMatchObject({ cutOff: null, holder: { who: 'main b' } })
    hold.release()
    expect(look(watch, path)).toMatchObject({ cutOff: null, holder: null })
    expect(told(watch, 'recovery').map(({ text }) => text)).toEqual([
      `main b took over from main a, process ${other.pid}, which ended without a release`,
    ])
  })

  test('a hold without a record is told of as held, and by nobody who had it before', async () => {
    const watch = watching()
    const path = file()
    const other = await Agent.start()
    await other.release(await other.acquire(path, { label: 'before' }))
    await other.acquire(path, { record: false, label: 'unknown' })
    expect(look(watch, path)).toMatchObject({ holder: null, trouble: 'held, and no record says by whom' })
  })

  test('a lock that cannot be looked at says why, and the others are shown', async () => {
    const watch = watching()
    const path = file()
    mkdirSync(`${path}.hold`)
    const good = `${path}-2`
    await acquire(good, { label: 'good' })
    const [bad, fine] = watch.look([
      { name: 'bad', path },
      { name: 'fine', path: good },
    ])
    expect(bad?.holder).toBeNull()
    expect(bad?.trouble).toContain('file')
    expect(fine?.holder?.who).toBe('good')
  })

  test('a lock file of another name is looked at, if it is named', async () => {
    const watch = watching()
    const path = file()
    const lockfile = `${path}.other`
    await acquire(path, { lockfile, label: 'here' })
    expect(look(watch, path).holder).toBeNull()
    expect(watch.look([{ name: 'it', path, lockfile }])[0]?.holder?.who).toBe('here')
  })
})

describe('what an operator should see', () => {
  test('a wait that is granted late is contention, and one that is granted in time is not', async () => {
    const slow = 20
    const path = file()
    const other = await Agent.start()
    const [strict, patient] = [watching({ slow }), watching({ slow: hour })]
    const hold = await other.acquire(path)
    const waiting = acquire(path, { label: 'late', timeout: hour })
    const began = performance.now()
    await until('it has waited for long', () => performance.now() - began > slow + 5)
    await other.release(hold)
    await waiting
    expect(strict.counts.contention).toBe(1)
    const [notice] = told(strict, 'contention')
    expect(notice?.path).toBe(path)
    expect(notice?.text).toMatch(/^late waited [\d.]+ m?s$/)
    expect(patient.counts.contention).toBe(0)
    expect(patient.notices).toEqual([])
  })

  test('a request that gave up after a long wait is contention too', async () => {
    const watch = watching({ slow: 0 })
    const path = file()
    const other = await Agent.start()
    await other.acquire(path)
    const owner = new Owner('lane 1')
    const leaving = new AbortController()
    const all = [
      acquire(path, { owner, timeout: hour }),
      acquire(path, { label: 'x', timeout: hour, signal: leaving.signal }),
    ]
    owner.close()
    leaving.abort()
    await Promise.allSettled(all)
    expect(told(watch, 'contention').map(({ text }) => text.replace(/after .*:/, 'after …:'))).toEqual([
      'x gave up after …: it was not wanted any more',
      'lane 1 gave up after …: its lane has ended',
    ])
  })

  test('a time-out names who held the lock', async () => {
    const watch = watching()
    const path = file()
    const other = await Agent.start()
    await other.acquire(path, { label: 'slow model call' })
    await expect(acquire(path, { label: 'main a', timeout: 1 })).rejects.toMatchObject({ code: 'ERR_LOCK_TIMEOUT' })
    expect(watch.counts.timeout).toBe(1)
    expect(told(watch, 'timeout')[0]?.text).toMatch(
      new RegExp(`^main a waited .* in vain; slow model call, process ${other.pid}, has held it for .*s$`),
    )
    expect(count(watch.waits)).toBe(1)
  })

  test('a revocation tells why, and how long the hold lasted', async () => {
    const watch = watching()
    const path = file()
    const owner = new Owner('main a')
    await acquire(path, { owner, label: 'turn' })
    owner.close(new Error('took longer than 20 s'))
    await until('it is told', () => watch.counts.revocation === 1)
    expect(told(watch, 'revocation')[0]?.text).toMatch(
      /^main a · turn lost its hold after .*s: its lane has ended \(took longer than 20 s\)$/,
    )
    expect(count(watch.holds)).toBe(1)
  })

  test('a hold that lasts as long as it may is revoked', async () => {
    const watch = watching()
    await acquire(file(), { label: 'main a', maxHold: 5, keep: true })
    await until('it is told', () => watch.counts.revocation === 1)
    expect(told(watch, 'revocation')[0]?.text).toContain('it lasted as long as it may')
  })

  test('a guard that outlives its hold is an overrun', async () => {
    const watch = watching()
    const owner = new Owner('main a')
    const hold = await acquire(file(), { owner })
    let end = (): void => {}
    const guard = hold.guard(() => new Promise<void>((resolve) => (end = resolve)))
    owner.close()
    await until('it is told', () => watch.counts.overrun > 0)
    expect(told(watch, 'revocation')[0]?.text).toContain('; a guard keeps the lock until it is done')
    expect(told(watch, 'overrun')[0]?.text).toMatch(
      /^main a ended its hold .* ago \(its lane has ended\), and a guard keeps the lock$/,
    )
    end()
    await guard
  })

  test('a leak tells where it was acquired, and is not counted as a revocation again', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const watch = watching()
    const path = file()
    await (async function forgetful() {
      await acquire(path, { owner: new Owner('tool 7') })
    })()
    await until('it is collected', () => {
      collect()
      return watch.counts.leak === 1
    })
    expect(told(watch, 'leak')[0]?.text).toMatch(/^tool 7 never released it .*; acquired at [^/\\]*page-watch\.test/)
    expect(watch.counts.revocation).toBe(0)
    expect(count(watch.holds)).toBe(1)
    expect(look(watch, path).holder).toBeNull()
  })

  test('a deadlock is refused, and told once, with its circle', async () => {
    const watch = watching({ slow: 0 })
    const [a, b] = [file(), file()]
    const [one, two] = [new Owner('one'), new Owner('two')]
    await acquire(a, { owner: one })
    await acquire(b, { owner: two })
    const waiting = acquire(b, { owner: one, timeout: hour })
    await expect(acquire(a, { owner: two, timeout: hour })).rejects.toMatchObject({ code: 'ERR_LOCK_DEADLOCK' })
    await until('it is told', () => watch.counts.deadlock > 0)
    two.close()
    await waiting
    expect(watch.counts.deadlock).toBe(1)
    const [notice] = told(watch, 'deadlock')
    expect(notice?.text).toMatch(/^refused, for it would never have been granted: two waits for .*, one waits for .*$/)
  })

  test('a transcript that was repaired is told of', async () => {
    const watch = watching()
    const path = file()
    appendFileSync(path, '{"half":')
    const transcript = await openTranscript(path)
    await transcript.append({ whole: true })
    await transcript.close()
    await until('it is told', () => watch.counts.repair > 0)
    const [notice] = told(watch, 'repair')
    expect(notice?.path).toBe(path)
    expect(notice?.text).toContain('half line')
  })

  test('a request that the system refuses is told of', async () => {
    const watch = watching()
    const path = join(scratch(), 'missing', 'file')
    const own = file()
    mkdirSync(`${own}.hold`)
    await expect(acquire(own, { label: 'main a' })).rejects.toThrow()
    await expect(acquire(path)).rejects.toThrow()
    expect(watch.counts.other).toBeGreaterThan(0)
    expect(told(watch, 'other').at(-1)?.text).toContain('main a could not lock it: ')
  })

  test('every notice is given to the log, in order, and fit for a terminal', async () => {
    const log: Notice[] = []
    const watch = watching({ slow: 0, log: (notice) => log.push(notice) })
    for (const label of HOSTILE) {
      const hold = await acquire(file(), { label: label.slice(0, 5_000) })
      hold.release()
    }
    for (const text of HOSTILE) channel('holdfast:fallback').publish({ kind: 'thread', lockfile: text, reason: text })
    expect(log).toHaveLength(2 * HOSTILE.length)
    expect([...log].reverse()).toEqual(watch.notices)
    for (const { text, path } of log) {
      expect(text + path).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u)
      expect(text.length).toBeLessThan(1_000)
    }
  })

  test('the newest notices are kept, and all are counted', async () => {
    const watch = watching({ slow: 0, most: 3 })
    for (let round = 0; round < 10; round++) (await acquire(file(), { label: `round ${round}` })).release()
    expect(watch.notices.map(({ text }) => text.slice(0, 7))).toEqual(['round 9', 'round 8', 'round 7'])
    expect(watch.counts.contention).toBe(10)
  })
})

describe('times', () => {
  test('a time counts in the step that begins with it', () => {
    const stepOf = (milliseconds: number): number => {
      const times = new Times()
      times.add(milliseconds)
      return times.histogram.counts.indexOf(1)
    }
    expect(stepOf(0)).toBe(0)
    EDGES.forEach((edge, step) => expect([stepOf(edge * 0.999), stepOf(edge)]).toEqual([step, step + 1]))
    expect(stepOf(1e9)).toBe(EDGES.length)
  })

  test('every request and every hold is counted once, in the step of its time', async () => {
    const watch = watching()
    const path = file()
    for (let round = 0; round < 5; round++) (await acquire(path)).release()
    const hold = await acquire(path)
    await expect(acquire(path, { timeout: 12 })).rejects.toThrow()
    hold.release()
    await until('the last release is told', () => count(watch.holds) === 6)
    expect(count(watch.waits)).toBe(7)
    const from = EDGES.indexOf(10) + 1 // the first step from 10 ms on
    expect(watch.waits.counts.slice(from).reduce((sum, each) => sum + each, 0)).toBe(1)
    expect(watch.waits.longest).toBeGreaterThanOrEqual(12)
    expect(watch.holds.counts.slice(from).reduce((sum, each) => sum + each, 0)).toBe(1)
    expect(watch.holds.longest).toBeGreaterThanOrEqual(12)
  })

  test('the longest wait is that of the answered and of those who wait, since it was asked to begin anew', async () => {
    const watch = watching()
    const path = file()
    const hold = await acquire(path)
    await expect(acquire(path, { timeout: 30 })).rejects.toThrow()
    const longest = watch.longestWait
    expect(longest).toBeGreaterThanOrEqual(30)
    watch.resetLongestWait()
    expect(watch.longestWait).toBe(0)
    const waiting = acquire(path, { timeout: hour })
    await until('it waits for longer', () => watch.longestWait > longest)
    hold.release()
    await waiting
    expect(watch.longestWait).toBeGreaterThan(longest)
  })
})

test('the state is put together of the locks and of what the gateway tells', async () => {
  const watch = watching()
  const folder = scratch()
  const lock = (name: string): { name: string; path: string } => ({ name, path: join(folder, name) })
  await acquire(join(folder, 'b.main'), { label: 'main b' })
  await acquire(join(folder, 'store'), { label: 'updater' })
  const lanes = { main: { busy: 1, size: 5, waiting: 0 }, agents: { busy: 0, size: 5, waiting: 0 } }
  const counts = { answered: 3, unanswered: 1, oldest: 17 }
  const state = assemble(watch, {
    lanes,
    sessions: [
      { id: 'a', ...counts, locks: [lock('a'), lock('a.main')] },
      { id: 'none', ...counts, locks: [] },
      { id: 'b', ...counts, locks: [lock('b.main'), lock('b')] },
    ],
    shared: [lock('store'), lock('browser')],
  })
  expect(state).toMatchObject({
    lanes,
    pid: process.pid,
    started: watch.started,
    waits: watch.waits,
    holds: watch.holds,
  })
  const holders = (views: readonly LockView[]): unknown[] =>
    views.map(({ name, holder }) => [name, holder?.who ?? null])
  expect(state.sessions.map(({ id, locks }) => [id, holders(locks)])).toEqual([
    [
      'a',
      [
        ['a', null],
        ['a.main', null],
      ],
    ],
    ['none', []],
    [
      'b',
      [
        ['b.main', 'main b'],
        ['b', null],
      ],
    ],
  ])
  expect(state.sessions[0]).toMatchObject(counts)
  expect(holders(state.shared)).toEqual([
    ['store', 'updater'],
    ['browser', null],
  ])
  expect(JSON.parse(JSON.stringify(state))).toEqual(state)
})

test('a watch that is closed hears nothing more', async () => {
  const names = [
    'hold',
    'release',
    'revoke',
    'overrun',
    'leak',
    'recover',
    'deadlock',
    'fallback',
    'transcript',
    'store',
  ]
  const steps = ['start', 'end', 'asyncStart', 'asyncEnd', 'error']
  const channels = [
    ...names.map((name) => channel(`holdfast:${name}`)),
    ...steps.map((step) => channel(`tracing:holdfast:acquire:${step}`)),
  ]
  const heard = (): boolean => channels.some(({ hasSubscribers }) => hasSubscribers)
  expect(heard()).toBe(false)
  const watch = watching({ slow: 0 })
  expect(heard()).toBe(true)
  watch.close()
  expect(heard()).toBe(false)
  ;(await acquire(file())).release()
  expect(count(watch.waits)).toBe(0)
})
