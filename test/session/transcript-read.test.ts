// Reading without the lock: whole lines of one moment, and of those who follow, all that come after it.
import { appendFileSync, linkSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { tryAcquire } from '../../src/index.js'
import { isSessionError, type TranscriptLine } from '../../src/session.js'
import { missing, posix, procfs } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { startFixture } from '../helpers/sections.js'
import { file } from '../helpers/target.js'
import { TranscriptAgent } from '../helpers/transcript-agent.js'
import { fresh, linesOf, opened, valuesOf } from '../helpers/transcript.js'
import { mustStayBlocked } from '../helpers/must-stay-blocked.js'
import { until } from '../helpers/until.js'

/** Longer than one piece of reading. */
const LONG = Array.from({ length: 3000 }, (_, n) => ({ n, text: 'x'.repeat(200) }))

function replace(path: string): void {
  writeFileSync(`${path}.new`, '"new"\n')
  renameSync(`${path}.new`, path)
}

/** Takes the lines of a loop one by one. */
function taker(lines: AsyncIterable<TranscriptLine<unknown>>) {
  const iterator = lines[Symbol.asyncIterator]()
  return {
    /** The next value; of something else, what it is. */
    next: async (): Promise<unknown> => {
      const taken = await iterator.next()
      return taken.done === true ? 'done' : valuesOf([taken.value])[0]
    },
    line: () => iterator.next().then(({ value }: { value?: TranscriptLine<unknown> }) => value),
    leave: () => iterator.return?.(),
  }
}

describe('read()', () => {
  test('gives the lines that were there when the loop began, while others are appended', async () => {
    const transcript = await fresh()
    const version = await transcript.appendAll(LONG)
    const snapshot = transcript.read()
    const lines: unknown[] = []
    for await (const line of snapshot) {
      if (lines.length % 500 === 0) await transcript.append('later')
      lines.push(...valuesOf([line]))
    }
    expect(lines).toEqual(LONG)
    expect(snapshot.version).toBe(version)
    expect(await linesOf(transcript.read())).toHaveLength(LONG.length + 6)
  })

  test('begins anew, with a version of its own, in every loop over it', async () => {
    const transcript = await fresh()
    const first = await transcript.append(1)
    const snapshot = transcript.read()
    expect(valuesOf(await linesOf(snapshot))).toEqual([1])
    expect(snapshot.version).toBe(first)
    const second = await transcript.append(2)
    expect(valuesOf(await linesOf(snapshot))).toEqual([1, 2])
    expect(snapshot.version).toBe(second)
  })

  test('has its version from the first line on, and none before the loop', async () => {
    const transcript = await fresh()
    const version = await transcript.appendAll([1, 2])
    const snapshot = transcript.read()
    expect(() => snapshot.version).toThrow(/once the loop over it has begun/)
    for await (const line of snapshot) {
      expect(line.kind).toBe('value')
      expect(snapshot.version).toBe(version)
    }
  })

  test('gives what compact() needs, whatever was appended meanwhile', async () => {
    const transcript = await fresh()
    await transcript.appendAll([1, 2, 3])
    const snapshot = transcript.read()
    let sum = 0
    for await (const line of snapshot) {
      if (line.kind === 'value') sum += line.value as number
      await transcript.append(10)
    }
    await transcript.compact([sum], { expect: snapshot.version })
    expect(valuesOf(await linesOf(transcript.read()))).toEqual([6, 10, 10, 10])
  })

  test.for([
    ['replaced', replace, ['new']],
    ['deleted', rmSync, []],
  ] as const)('goes on with the file it began with when that is %s', async ([, spoil, after]) => {
    const transcript = await fresh()
    await transcript.appendAll(LONG)
    const lines: unknown[] = []
    for await (const line of transcript.read()) {
      if (lines.length === 0) spoil(transcript.path)
      lines.push(...valuesOf([line]))
    }
    expect(lines).toEqual(LONG)
    expect(valuesOf(await linesOf(transcript.read()))).toEqual(after)
  })

  test('of no file gives nothing, at the version of no file', async () => {
    const transcript = await fresh()
    const snapshot = transcript.read()
    expect(await linesOf(snapshot)).toEqual([])
    expect(snapshot.version).toBe('none')
  })

  test('leaves out a last line without end, and so does its version', async () => {
    const transcript = await fresh()
    const version = await transcript.appendAll(LONG)
    for (const half of ['{"half":', 'x'.repeat(300_000)]) {
      appendFileSync(transcript.path, half)
      const snapshot = transcript.read()
      expect(valuesOf(await linesOf(snapshot))).toEqual(LONG)
      expect(snapshot.version).toBe(version)
    }
    await transcript.compact(['short'], { expect: version })
  })

  test('waits for no lock', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    const agent = await TranscriptAgent.start()
    await agent.acquire(transcript.path)
    expect(tryAcquire(transcript.path)).toBeNull()
    expect(valuesOf(await linesOf(transcript.read()))).toEqual([1])
    expect(tryAcquire(transcript.path)).toBeNull()
  })

  test.skipIf(missing(posix))(
    'gives no line of one file as one of another, while they take each other’s place',
    async () => {
      const folder = scratch()
      const [first, second, path] = ['first', 'second', 'file'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ]
      writeFileSync(first, '"first"\n')
      writeFileSync(second, '"second"\n')
      linkSync(first, path)
      const transcript = await opened(path)
      await startFixture('swaps.mjs', first, second, path)
      const seen = new Map<string, Set<unknown>>()
      for (let reads = 0; reads < 3000; reads++) {
        const snapshot = transcript.read()
        const values = await linesOf(snapshot).then(valuesOf, (error: unknown) => {
          if (isSessionError(error, 'ERR_SESSION_UNREADABLE')) return null // replaced again and again
          throw error
        })
        if (values === null) continue
        const [file = ''] = snapshot.version.split('-')
        seen.set(file, (seen.get(file) ?? new Set()).add(values.join()))
      }
      expect([...seen.values()].map((values) => [...values])).toEqual(expect.arrayContaining([['first'], ['second']]))
      expect(seen.size).toBe(2)
    },
  )

  test('ends with the reason of its signal', async () => {
    const transcript = await fresh()
    await transcript.appendAll(LONG)
    await expect(linesOf(transcript.read({ signal: AbortSignal.abort('no') }))).rejects.toBe('no')
    const controller = new AbortController()
    const reading = (async () => {
      for await (const line of transcript.read({ signal: controller.signal })) {
        if (line.kind === 'value') controller.abort('enough')
      }
    })()
    await expect(reading).rejects.toBe('enough')
  })

  test('refuses options that it does not know', async () => {
    const transcript = await fresh()
    expect(() => transcript.read({ tail: 3 } as object)).toThrow(TypeError)
    expect(() => transcript.read({ follow: 1 } as unknown as { follow: boolean })).toThrow(/options\.follow/)
  })

  test.skipIf(missing(procfs))('leaves no descriptor open, however it ends', async () => {
    const transcript = await fresh()
    await transcript.appendAll(LONG)
    await linesOf(transcript.read())
    const before = readdirSync('/proc/self/fd').length
    for (let round = 0; round < 5; round++) {
      for await (const line of transcript.read()) if (line.kind === 'value') break
      for await (const line of transcript.read({ follow: true })) if (line.kind === 'value') break
      await linesOf(transcript.read({ signal: AbortSignal.abort('no') })).catch(() => {})
      await linesOf(transcript.read())
    }
    // The watch of a folder is closed a turn later.
    await until('all are closed', () => readdirSync('/proc/self/fd').length <= before)
  })
})

describe('read({ follow: true })', () => {
  test('goes on with lines that come later, of this process and of others', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    const agent = await TranscriptAgent.start()
    const key = await agent.open(transcript.path)
    const lines = taker(transcript.read({ follow: true }))
    expect(await lines.next()).toBe(1)
    const second = lines.next()
    await mustStayBlocked(second)
    await transcript.append(2)
    expect(await second).toBe(2)
    const third = lines.next()
    await agent.append(key, 3)
    expect(await third).toBe(3)
    await transcript.appendAll(LONG)
    for (const value of LONG) expect(await lines.next()).toEqual(value)
    await lines.leave()
  })

  test('gives no half line, and the whole one when its end has come', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    const lines = taker(transcript.read({ follow: true }))
    expect(await lines.next()).toBe(1)
    const next = lines.line()
    appendFileSync(transcript.path, '{"half":')
    await mustStayBlocked(next)
    appendFileSync(transcript.path, '"whole"}\n')
    expect(await next).toEqual({ kind: 'value', value: { half: 'whole' }, offset: 2 })
    await lines.leave()
  })

  test('reads again what has come in the place of a half line that was cut off', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    const lines = taker(transcript.read({ follow: true }))
    expect(await lines.next()).toBe(1)
    const next = lines.next()
    appendFileSync(transcript.path, '{"half":')
    await mustStayBlocked(next)
    truncateSync(transcript.path, 2)
    appendFileSync(transcript.path, '"longer than the half"\n')
    expect(await next).toBe('longer than the half')
    await lines.leave()
  })

  test('says that another file is there after a compaction, and begins that one', async () => {
    const transcript = await fresh()
    const version = await transcript.appendAll([1, 2, 3])
    const snapshot = transcript.read({ follow: true })
    const lines = taker(snapshot)
    expect([await lines.next(), await lines.next(), await lines.next()]).toEqual([1, 2, 3])
    const compacted = await transcript.compact([6], { expect: version })
    expect(await lines.line()).toEqual({ kind: 'reset', version: compacted })
    expect(snapshot.version).toBe(compacted)
    expect(await lines.next()).toBe(6)
    await transcript.append(7)
    expect(await lines.next()).toBe(7)
    await lines.leave()
  })

  test('loses no line to a compaction that comes right after it', async () => {
    const transcript = await fresh()
    await transcript.append('start')
    const seen: unknown[] = []
    const controller = new AbortController()
    const following = (async () => {
      for await (const line of transcript.read({ follow: true, signal: controller.signal })) {
        if (line.kind === 'reset') seen.length = 0
        else seen.push(...valuesOf([line]))
      }
    })()
    for (let n = 0; n < 100; n++) {
      const version = await transcript.append(n)
      if (n % 10 === 5) await transcript.compact([{ upTo: n }], { expect: version })
    }
    const expected = [{ upTo: 95 }, 96, 97, 98, 99]
    await until('all was seen', () => seen.length === expected.length)
    expect(seen).toEqual(expected)
    controller.abort('enough')
    await expect(following).rejects.toBe('enough')
  })

  test('waits for a file that is not there, and for another one after a deletion', async () => {
    const transcript = await fresh()
    const lines = taker(transcript.read({ follow: true }))
    const first = lines.line()
    await mustStayBlocked(first)
    const version = await transcript.append(1)
    expect(await first).toEqual({ kind: 'reset', version })
    expect(await lines.next()).toBe(1)
    await transcript.delete()
    expect(await lines.line()).toEqual({ kind: 'reset', version: 'none' })
    await transcript.append(2)
    expect(await lines.next()).toBe('reset!')
    expect(await lines.next()).toBe(2)
    await lines.leave()
  })

  test('says that the file was cut, and begins it again', async () => {
    const path = file()
    writeFileSync(path, '1\n2\n3\n')
    const lines = taker((await opened(path)).read({ follow: true }))
    expect([await lines.next(), await lines.next(), await lines.next()]).toEqual([1, 2, 3])
    truncateSync(path, 2)
    expect(await lines.next()).toBe('reset!')
    expect(await lines.next()).toBe(1)
    await lines.leave()
  })

  test('ends when the transcript is closed, in the middle of a wait too', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    const waiting = linesOf(transcript.read({ follow: true }))
    await mustStayBlocked(waiting)
    await transcript.close()
    expect(valuesOf(await waiting)).toEqual([1])
  })

  test('ends with the reason of its signal, in the middle of a wait too', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    const controller = new AbortController()
    const lines = taker(transcript.read({ follow: true, signal: controller.signal }))
    expect(await lines.next()).toBe(1)
    const waiting = lines.next()
    await mustStayBlocked(waiting)
    controller.abort('enough')
    await expect(waiting).rejects.toBe('enough')
  })
})
