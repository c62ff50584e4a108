// What the soak is made of: its plan, its judgement of growth, its samples, and the authors of unacknowledged lines.
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { Ledger } from '../../examples/gateway/src/ledger/ledger.js'
import type { Sample } from '../../examples/gateway/src/soak/plot.js'
import { usageOf } from '../../examples/gateway/src/soak/samples.js'
import { growths, livesOf, longest, unjudged } from '../../examples/gateway/src/soak/growth.js'
import { intending, readIntents, sentByIntent } from '../../examples/gateway/src/soak/intents.js'
import { CALM, KINDS, plan } from '../../examples/gateway/src/soak/plan.js'
import { soakTable, type SoakResult } from '../../examples/gateway/src/soak/report.js'
import type { Files } from '../../examples/gateway/src/files.js'
import type { Line } from '../../examples/gateway/src/lines.js'
import { missing, procfs } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'

describe('the plan', () => {
  const sessions = ['a', 'b', 'c']
  const of = (seed: number) => plan({ seed, length: 600_000, rate: 8, sessions })

  test('is the same for the same seed, and another for another', () => {
    expect(of(7)).toEqual(of(7))
    expect(of(7).map(({ kind }) => kind)).not.toEqual(of(8).map(({ kind }) => kind))
  })

  test('a shorter soak of the same seed has the beginning of a longer one', () => {
    const short = plan({ seed: 7, length: 60_000, rate: 8, sessions })
    expect(of(7).slice(0, short.length)).toEqual(short)
  })

  test('every kind comes up before one comes up for the time after its last', () => {
    const pack = KINDS.reduce((sum, { times }) => sum + times, 0)
    const first = of(3)
      .slice(0, pack)
      .map(({ kind }) => kind)
    for (const { kind, times } of KINDS) expect(first.filter((one) => one === kind)).toHaveLength(times)
  })

  test('has as many as are asked for, in order, in time, and never two at once', () => {
    const planned = of(5)
    expect(planned.length).toBeGreaterThan(70)
    expect(planned.length).toBeLessThan(90)
    const times = planned.map(({ at }) => at)
    expect(times.at(-1)).toBeLessThan(600_000)
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(60_000 / 8 / 2 - 1)
    expect(new Set(planned.map(({ session }) => session))).toEqual(new Set(sessions))
  })

  test('leaves a gateway in peace for 70 seconds, once in each five minutes, and goes on with everything else', () => {
    const { period, from, until } = CALM
    expect(until - from).toBeGreaterThanOrEqual(70_000)
    expect(period).toBeLessThanOrEqual(300_000)
    const ends: number[] = []
    for (let seed = 0; seed < 20; seed++) {
      const planned = of(seed)
      const isEnd = planned.map(({ kind }) => kind === 'kill' || kind === 'end')
      for (const start of [from, period + from]) {
        const calm = planned.flatMap(({ at }, index) => {
          return at >= start && at < start + until - from ? [{ at, isEnd: isEnd[index] }] : []
        })
        expect(calm.length).toBeGreaterThan(5)
        expect(calm.filter((one) => one.isEnd)).toEqual([])
      }
      ends.push(isEnd.filter(Boolean).length)
    }
    expect(Math.min(...ends)).toBeGreaterThan(3)
  })
})

describe('growth', () => {
  const MIB = 2 ** 20
  const still = { memory: 80 * MIB, descriptors: 30, threads: 15, longestWait: 0 }
  /** One sample a second. */
  const life = (seconds: number, changes: (second: number) => Partial<Sample> = () => ({})): Sample[] =>
    Array.from({ length: seconds }, (_, second) => {
      return { at: second * 1000, process: 'gateway', life: 1, ...still, ...changes(second) }
    })
  const found = (samples: readonly Sample[]) => growths(livesOf(samples))

  test.each([
    ['descriptors', (second: number) => ({ descriptors: 30 + Math.floor(second / 4) })],
    ['threads', (second: number) => ({ threads: 15 + Math.floor(second / 6) })],
    ['memory', (second: number) => ({ memory: (80 + 4 * second) * MIB })],
  ])('%s that become more and more are found', (measure, changes) => {
    expect(found(life(120, changes))).toEqual([expect.stringMatching(`gateway, life 1: its ${measure} grew from`)])
  })

  test('what is used for a moment, or from the beginning on, is no growth', () => {
    const burst = (second: number) => (second > 100 && second < 110 ? { descriptors: 500, threads: 60 } : {})
    expect(found(life(120, burst))).toEqual([])
    expect(found(life(120, (second) => ({ descriptors: second < 5 ? 3 : 500 })))).toEqual([])
  })

  test('each life is judged by itself, and a short one not at all', () => {
    const restarted = life(240, (second) => ({ life: second < 120 ? 1 : 2, descriptors: second < 120 ? 30 : 90 }))
    expect(found(restarted)).toEqual([])
    expect(found(life(30, (second) => ({ descriptors: 30 + 10 * second })))).toEqual([])
    const both = [...life(120), ...life(120, (second) => ({ process: 'job', threads: 15 + second }))]
    expect(found(both)).toEqual([expect.stringMatching('job, life 1: its threads')])
  })

  test('what was not measured is neither growth nor a number', () => {
    const unknown = life(120, () => ({ memory: null, descriptors: null, threads: null }))
    expect(found(unknown)).toEqual([])
    expect(longest(livesOf(unknown), 'gateway')?.ends).toEqual({ memory: null, descriptors: null, threads: null })
  })

  test('that of a process without a life that is long enough is a problem, if it had the time for one', () => {
    const short = livesOf([...life(59), ...life(300, () => ({ process: 'job' }))])
    expect(unjudged(short, 300_000)).toEqual(['the growth of the gateway was not judged: no life of 60 s'])
    expect(unjudged(short, 120_000)).toEqual([])
    expect(unjudged(livesOf([...life(62), ...life(300, () => ({ process: 'job' }))]), 300_000)).toEqual([])
  })

  describe('in the report', () => {
    const totals: SoakResult['totals'] = {
      messages: { sent: 1, answered: 1, lost: 0 },
      lines: { acknowledged: 2, lost: 0, doubled: 0, damaged: 0 },
      updates: { acknowledged: 0, lost: 0 },
      answers: { doubled: 0, disordered: 0 },
    }
    const told = (samples: readonly Sample[]): string => {
      const lives = livesOf(samples)
      const rest = { seed: 1, length: 1, totals, others: 0, incidents: {}, kills: 0, longestWait: null }
      return soakTable({ ...rest, lives, problems: growths(lives) })
    }
    const job = (seconds: number) => life(seconds, () => ({ process: 'job' }))

    test('is denied where all was judged', () => {
      const text = told([...life(90), ...job(90)])
      expect(text).toMatch(/^growth of the gateway +none$/m)
      expect(text).toContain('\nNothing was lost, doubled, disordered or damaged, and nothing grew without bound.\n')
    })

    test('is not denied where a process was not judged, and why is told', () => {
      const text = told([...life(30), ...job(90)])
      expect(text).toMatch(/^growth of the gateway +not judged: no life of 60 s$/m)
      expect(text).toMatch(/^growth of the job +none$/m)
      expect(text).toContain('\nNothing was lost, doubled, disordered or damaged.\n')

      const unmeasured = () => ({ memory: null, descriptors: null, threads: null })
      const elsewhere = told([...life(90, unmeasured), ...job(90)])
      expect(elsewhere).toMatch(/^growth of the gateway +not judged: it was not measured$/m)
      expect(elsewhere).not.toContain('without bound')
    })

    test('is told where it was found', () => {
      const text = told([...life(90, (second) => ({ threads: 10 + second })), ...job(90)])
      expect(text).toMatch(/^growth of the gateway +too much$/m)
      expect(text).toMatch(/NOT everything is well:\n {2}gateway, life 1: its threads grew/)
    })
  })

  test('the longest life is found, with what it used at both of its ends', () => {
    const samples = [
      ...life(30),
      ...life(90, (second) => ({ at: 30_000 + second * 1000, life: 2, threads: second < 45 ? 10 : 12 })),
      ...life(20, () => ({ life: 3 })),
    ]
    const { life: which, ends } = longest(livesOf(samples), 'gateway') ?? {}
    expect({ which, threads: ends?.threads }).toEqual({ which: 2, threads: { first: 10, last: 12 } })
  })
})

describe('samples', () => {
  test.skipIf(missing(procfs))('tell how many descriptors a process has open', () => {
    const before = usageOf(process.pid)
    const opened = Array.from({ length: 5 }, () => openSync('/dev/null', 'r'))
    const after = usageOf(process.pid)
    for (const descriptor of opened) closeSync(descriptor)
    expect((after.descriptors ?? 0) - (before.descriptors ?? 0)).toBe(5)
    expect(before.memory).toBeGreaterThan(2 ** 20)
    expect(before.threads).toBeGreaterThan(1)
  })

  test('know nothing of a process that is not there', () => {
    expect(usageOf(-1)).toEqual({ memory: null, descriptors: null, threads: null })
  })
})

describe('what was intended', () => {
  const message: Line = { type: 'message', key: 'k', at: 1, by: 'cli', text: 'hello' }

  /** Files that ask, before they write, what has been noted. */
  function filesThat(append: () => Promise<void>): Files {
    const nothing = () => Promise.reject(new Error('not here'))
    const session = { append, read: nothing, turn: nothing, compact: nothing, close: nothing, cutOff: () => null }
    return {
      ...{ sessions: nothing, update: nothing, browser: nothing, close: nothing },
      open: () => Promise.resolve({ ...session, follow: () => fail() }),
    }
  }
  const fail = (): never => {
    throw new Error('not here')
  }

  test('is noted before anything is written', async () => {
    const log = join(scratch(), 'intents')
    const noted: unknown[] = []
    const files = intending(
      filesThat(() => Promise.resolve(void noted.push(...readIntents([log])))),
      log,
    )
    await (await files.open('a')).append(message)
    expect(noted).toEqual([{ session: 'a', key: 'k', at: 1 }])
  })

  test('and given up while the store is waited for, is given up', async () => {
    const signals: unknown[] = []
    const update: Files['update'] = (_change, signal) => Promise.resolve(void signals.push(signal))
    const { signal } = new AbortController()
    const files = intending({ ...filesThat(() => Promise.resolve()), update }, join(scratch(), 'intents'))
    await files.update(() => {}, signal)
    expect(signals).toEqual([signal])
  })

  test('gives what stands in a transcript an author, who is to be answered', () => {
    const folder = scratch()
    writeFileSync(join(folder, 'a.jsonl'), `${JSON.stringify(message)}\n`)
    const problems = (sent: ReturnType<typeof sentByIntent>) => new Ledger({ folder, logs: [], sent }).problems
    expect(problems([])).toEqual(['a: lines that nobody can have written: 1 (k)'])
    const log = join(folder, 'intents')
    writeFileSync(log, `${JSON.stringify({ session: 'a', key: 'k', at: 1 })}\n{"session":"a","ke`)
    expect(problems(sentByIntent(folder, readIntents([log])))).toEqual(['a: messages that were never answered: 1 (k)'])
  })

  test('and came to nothing is missed by nobody', () => {
    const folder = scratch()
    expect(sentByIntent(folder, [{ session: 'a', key: 'k', at: 1 }])).toEqual([])
    expect(readIntents([join(folder, 'none')])).toEqual([])
  })
})
