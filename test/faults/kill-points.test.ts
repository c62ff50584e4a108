// A writer that is killed before or after any system call of what it does: whoever comes next finds every line that was
// acknowledged, once and whole, what was under way done or not begun, and the lock free.
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { inspect } from '../../src/index.js'
import { openStore, openTranscript } from '../../src/session.js'
import { missing } from '../helpers/capabilities.js'
import { faultable, Worker } from '../helpers/faults.js'
import { scratch } from '../helpers/scratch.js'
import { all, asides, contentOf, killAtEachCall, killOnce, valuesAfter, type Operation } from './killed.js'

const LONG = 300_000

/** Acknowledged before. */
const BEFORE = [{ n: 1 }, 'zwei', { n: 3 }]

async function openWithLines(worker: Worker, file: string): Promise<void> {
  await worker.ask('open', file)
  for (const value of BEFORE) await worker.ask('append', value)
}

/** It has happened, or it has not; if it was acknowledged, it has. */
function either(before: unknown[], after: unknown[]): Operation['check'] {
  return async (file, acknowledged) => {
    const values = await valuesAfter(file)
    expect(acknowledged ? [after] : [before, after]).toContainEqual(values)
  }
}

/** The same of a store. */
function eitherValue(before: object, after: object): Operation['check'] {
  return async (file, acknowledged) => {
    expect(inspect(file).state).not.toBe('held')
    const store = await openStore<object>(file, { initial: {}, timeout: 0 })
    const value = await store.read()
    expect(acknowledged ? [after] : [before, after]).toContainEqual(value)
    await store.update((found) => ({ ...found, next: true }))
    await store.close()
    expect(JSON.parse(contentOf(file))).toEqual({ ...value, next: true })
  }
}

/** What was put aside of a store. */
function savedStores(file: string): string[] {
  const folder = dirname(file)
  const names = readdirSync(folder).filter((name) => name.startsWith(`${basename(file)}.corrupt-`))
  return names.map((name) => readFileSync(join(folder, name), 'utf8'))
}

const operations: { title: string; short: boolean; touches: string[]; operation: Operation }[] = [
  {
    title: 'an append',
    short: true,
    touches: ['flock file.hold', 'write file.hold', 'write file', 'fdatasync file', 'close file', 'close file.hold'],
    operation: {
      prepare: openWithLines,
      run: (worker) => worker.ask('append', { n: 4 }),
      check: either(BEFORE, [...BEFORE, { n: 4 }]),
    },
  },
  {
    title: 'the append that makes the file',
    short: true,
    touches: ['write file', 'fdatasync file', 'fsync .'],
    operation: {
      prepare: (worker, file) => worker.ask('open', file),
      run: (worker) => worker.ask('append', { n: 1 }),
      check: either([], [{ n: 1 }]),
    },
  },
  {
    title: 'an append of several lines',
    short: false,
    touches: ['write file', 'fdatasync file'],
    operation: {
      prepare: openWithLines,
      run: (worker) => worker.ask('appendAll', [4, 5, 6]),
      check: either(BEFORE, [...BEFORE, 4, 5, 6]),
    },
  },
  {
    title: 'a compaction',
    short: false,
    touches: ['open file', 'rename file', 'fsync .'],
    operation: {
      prepare: openWithLines,
      run: async (worker) => worker.ask('compact', ['short'], await versionBefore(worker)),
      check: either(BEFORE, ['short']),
    },
  },
  {
    title: 'a compaction that carries lines over',
    short: false,
    touches: ['open file', 'rename file', 'fsync .'],
    operation: {
      prepare: async (worker, file) => {
        await openWithLines(worker, file)
        versions.set(worker, await worker.ask('version'))
        await worker.ask('append', 'since')
      },
      run: (worker) => worker.ask('compact', ['short'], versions.get(worker)),
      check: either([...BEFORE, 'since'], ['short', 'since']),
    },
  },
  {
    title: 'a deletion',
    short: false,
    touches: ['unlink file', 'fsync .'],
    operation: {
      prepare: openWithLines,
      run: (worker) => worker.ask('delete'),
      check: either(BEFORE, []),
    },
  },
  {
    title: 'an update of a store',
    short: false,
    touches: ['rename file', 'fsync .'],
    operation: {
      prepare: async (worker, file) => {
        await worker.ask('openStore', file, { initial: {} })
        await worker.ask('update', 'one', 1)
      },
      run: (worker) => worker.ask('update', 'two', 2),
      check: eitherValue({ one: 1 }, { one: 1, two: 2 }),
    },
  },
  {
    title: 'the update that makes the store',
    short: false,
    touches: ['link file', 'fsync .'],
    operation: {
      prepare: (worker, file) => worker.ask('openStore', file, { initial: {} }),
      run: (worker) => worker.ask('update', 'one', 1),
      check: eitherValue({}, { one: 1 }),
    },
  },
  {
    title: 'putting an unreadable store aside',
    short: false,
    touches: ['rename file', 'fsync .'],
    operation: {
      prepare: (_, file) => {
        writeFileSync(file, '{"not json')
        return Promise.resolve()
      },
      run: (worker, file) => worker.ask('openStore', file, { initial: {}, onUnreadable: 'start-anew' }),
      check: async (file) => {
        const asides = savedStores(file)
        if (contentOf(file) === '{"not json') {
          await expect(openStore(file)).rejects.toMatchObject({ code: 'ERR_SESSION_UNREADABLE' })
        } else {
          expect(asides).toContain('{"not json')
        }
        const store = await openStore(file, { initial: {}, onUnreadable: 'start-anew', timeout: 0 })
        expect(await store.read()).toEqual({})
        await store.close()
        expect(savedStores(file)).toContain('{"not json')
      },
    },
  },
  {
    title: 'a repair of what another one left, who was killed while it wrote',
    short: false,
    touches: ['ftruncate file', 'fdatasync file'],
    operation: {
      prepare: async (_, file) => {
        const torn = await Worker.start(join(file, '..'))
        await openWithLines(torn, file)
        torn.faults.arm({ does: 'kill-after', call: 'write', file: 'file', most: 6 })
        await torn.refusal('append', { torn: true })
        await torn.ended
      },
      run: (worker, file) => worker.ask('open', file),
      check: async (file) => {
        expect(await valuesAfter(file)).toEqual(BEFORE)
        expect(asides(file)).toContain('{"torn')
      },
    },
  },
  {
    title: 'an append behind an unfinished line of somebody who keeps no lock',
    short: false,
    touches: ['write file', 'fdatasync file'],
    operation: {
      prepare: async (worker, file) => {
        await openWithLines(worker, file)
        appendFileSync(file, '{"unfin')
      },
      run: (worker) => worker.ask('append', { n: 4 }),
      check: async (file, acknowledged) => {
        const transcript = await openTranscript(file, { timeout: 0 })
        await transcript.append('and on')
        await transcript.close()
        const lines = contentOf(file).split('\n')
        const values = lines
          .filter((line) => line !== '' && line !== '{"unfin')
          .map((line) => JSON.parse(line) as unknown)
        const done = [...BEFORE, { n: 4 }, 'and on']
        expect(acknowledged ? [done] : [[...BEFORE, 'and on'], done]).toContainEqual(values)
        expect(lines.at(-1)).toBe('')
        // In its place, or where it was saved: a dead process is taken for its writer.
        expect([...lines, ...asides(file)]).toContain('{"unfin')
      },
    },
  },
]

const versions = new WeakMap<Worker, string>()

async function versionBefore(worker: Worker): Promise<string> {
  return await worker.ask<string>('version')
}

for (const does of ['kill-before', 'kill-after'] as const) {
  describe(does === 'kill-before' ? 'before each of its calls' : 'after each of its calls', () => {
    for (const { title, short, touches, operation } of operations) {
      if (!all && !(short && (does === 'kill-before' || title === 'an append'))) continue
      test.skipIf(missing(faultable))(`${title} may be killed`, { timeout: LONG }, async () => {
        const killed = await killAtEachCall(does, operation)
        expect(killed).toEqual(expect.arrayContaining(touches))
      })
    }
  })
}

describe('in the middle of its write', () => {
  const line = `${JSON.stringify({ text: 'grüße', n: 4 })}\n`
  const size = Buffer.byteLength(line)
  /** All, or those around the ends and in the middle of a character. */
  const cuts = Array.from({ length: size }, (_, index) => index + 1).filter(
    (most) => all || most < 2 || most > size - 3 || most === 13,
  )
  const append: Operation = {
    prepare: openWithLines,
    run: (worker) => worker.ask('append', { text: 'grüße', n: 4 }),
    check: either(BEFORE, [...BEFORE, { text: 'grüße', n: 4 }]),
  }

  test.skipIf(missing(faultable))('an append may be killed after any byte', { timeout: LONG }, async () => {
    for (const most of cuts) {
      const fault = { does: 'kill-after', call: 'write', file: 'file', most } as const
      const check = async (file: string, acknowledged: boolean): Promise<void> => {
        await append.check(file, acknowledged)
        const rest = Buffer.from(line).subarray(0, most).toString()
        expect(asides(file)).toEqual(most < size ? [rest] : [])
      }
      expect(await killOnce(fault, { ...append, check })).not.toBeNull()
    }
  })

  /** Who was there all the time, and what it does next. */
  const survivors: { title: string; goOn: (worker: Worker) => Promise<unknown>; values: unknown[] }[] = [
    { title: 'appends', goOn: (worker) => worker.ask('append', 'next'), values: [...BEFORE, 'next'] },
    {
      title: 'appends at a version that it expects',
      goOn: (worker) => worker.ask('append', 'next', { expect: versions.get(worker) }),
      values: [...BEFORE, 'next'],
    },
    {
      title: 'compacts',
      goOn: (worker) => worker.ask('compact', ['short'], versions.get(worker)),
      values: ['short'],
    },
  ]

  test.skipIf(missing(faultable)).for(survivors)(
    'a line is torn: a process that has the transcript open already $title, and nobody sees the fragment',
    async ({ goOn, values }) => {
      const folder = scratch()
      const file = join(folder, 'file')
      const dead = await Worker.start(folder)
      const survivor = await Worker.start(folder)
      await openWithLines(dead, file)
      await survivor.ask('open', file)
      versions.set(survivor, await survivor.ask('version'))
      dead.faults.arm({ does: 'kill-after', call: 'write', file: 'file', most: 6 })
      await dead.refusal('append', { torn: true })
      await dead.ended
      await goOn(survivor)
      expect(await valuesAfter(file)).toEqual(values)
      expect(asides(file)).toEqual(['{"torn'])
    },
  )
})
