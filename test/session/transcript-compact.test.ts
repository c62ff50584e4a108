// A shorter file in the place of a longer one, while everybody goes on appending.
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { acquire } from '../../src/index.js'
import { missing, posix, root } from '../helpers/capabilities.js'
import { file } from '../helpers/target.js'
import { TranscriptAgent } from '../helpers/transcript-agent.js'
import { fresh, linesOf, opened, strangersBeside, valuesIn, valuesOf } from '../helpers/transcript.js'

describe('compact()', () => {
  test('puts the values in the place of what the file had, and resolves to the version of that', async () => {
    const transcript = await fresh()
    const version = await transcript.appendAll([1, 2, 3, 'x'.repeat(10_000)])
    const compacted = await transcript.compact(new Set(['sum', 6]), { expect: version })
    expect(compacted).toBe(await transcript.version())
    expect(valuesIn(transcript.path)).toEqual(['sum', 6])
    await transcript.append(7, { expect: compacted })
    expect(valuesIn(transcript.path)).toEqual(['sum', 6, 7])
    expect(strangersBeside(transcript.path)).toEqual([])
  })

  test('keeps what was appended since the expected version, after the values, of other processes too', async () => {
    const transcript = await fresh()
    const agent = await TranscriptAgent.start()
    const key = await agent.open(transcript.path)
    const version = await transcript.appendAll([1, 2, 3])
    await transcript.append('ours')
    await agent.append(key, 'theirs')
    await transcript.append({ long: 'y'.repeat(600_000) })
    const compacted = await transcript.compact([6], { expect: version })
    expect(compacted).toBe(await agent.ask('version', key))
    expect(valuesIn(transcript.path)).toEqual([6, 'ours', 'theirs', { long: 'y'.repeat(600_000) }])
  })

  test('to nothing leaves what was appended since, or an empty file', async () => {
    const transcript = await fresh()
    const version = await transcript.append(1)
    await transcript.append(2)
    const next = await transcript.compact([], { expect: version })
    expect(valuesIn(transcript.path)).toEqual([2])
    expect(await transcript.compact([], { expect: next })).toBe(await transcript.version())
    expect(statSync(transcript.path).size).toBe(0)
    await transcript.append(3)
    expect(valuesIn(transcript.path)).toEqual([3])
  })

  test('makes the file where none was expected and there is none', async () => {
    const transcript = await fresh({ mode: 0o640 })
    await transcript.compact([1, 2], { expect: 'none' })
    expect(valuesIn(transcript.path)).toEqual([1, 2])
  })

  test('carries a half line of somebody else over as it is', async () => {
    const transcript = await fresh()
    const version = await transcript.append(1)
    appendFileSync(transcript.path, '{"half":')
    await transcript.compact(['one'], { expect: version })
    expect(readFileSync(transcript.path, 'utf8')).toBe('"one"\n{"half":')
    await transcript.append(2)
    expect(valuesOf(await linesOf(transcript.read()))).toEqual(['one', 'damaged!', 2])
  })

  const CONFLICTS: [how: string, spoil: (path: string) => void][] = [
    ['was deleted', (path) => renameSync(path, `${path}.away`)],
    [
      'was replaced by a copy',
      (path) => {
        copyFileSync(path, `${path}.new`)
        renameSync(`${path}.new`, path)
      },
    ],
    ['was cut', (path) => truncateSync(path, 10)],
    [
      'was cut and has grown again',
      (path) => {
        truncateSync(path, 10)
        appendFileSync(path, 'z'.repeat(10_000))
      },
    ],
  ]

  test.for(CONFLICTS)('refuses a file that %s, and leaves it as it is', async ([, spoil]) => {
    const transcript = await fresh()
    const { path } = transcript
    const version = await transcript.appendAll([1, 2, 3, 'some text'])
    spoil(path)
    const content = existsSync(path) ? readFileSync(path) : null
    const names = strangersBeside(path)
    await expect(transcript.compact([6], { expect: version })).rejects.toMatchObject({
      name: 'SessionError',
      code: 'ERR_SESSION_CONFLICT',
      undone: true,
    })
    expect(existsSync(path) ? readFileSync(path) : null).toEqual(content)
    expect(strangersBeside(path)).toEqual(names)
  })

  test('refuses a file where none was expected', async () => {
    const transcript = await fresh()
    await transcript.append(1)
    await expect(transcript.compact([2], { expect: 'none' })).rejects.toMatchObject({ code: 'ERR_SESSION_CONFLICT' })
    expect(valuesIn(transcript.path)).toEqual([1])
  })

  test('of several at once lets one through, and the others find another file', async () => {
    const transcript = await fresh()
    const agents = await Promise.all([TranscriptAgent.start(), TranscriptAgent.start()])
    const keys = await Promise.all(agents.map((agent) => agent.open(transcript.path)))
    const version = await transcript.appendAll([1, 2, 3])
    const race = await Promise.allSettled([
      transcript.compact(['here'], { expect: version }),
      transcript.compact(['here too'], { expect: version }),
      ...agents.map((agent, index) => agent.ask('compact', keys[index], ['there'], { expect: version })),
    ])
    expect(race.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of race) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_SESSION_CONFLICT' })
    }
    expect(valuesIn(transcript.path)).toHaveLength(1)
    expect(strangersBeside(transcript.path)).toEqual([])
  })

  test('leaves nothing behind where it was refused, timed out or aborted', async () => {
    const transcript = await fresh()
    const version = await transcript.append(1)
    const hold = await acquire(transcript.path)
    const waits = [{ timeout: 10 }, { signal: AbortSignal.timeout(10) }]
    for (const wait of waits) {
      await expect(transcript.compact([2], { expect: version, ...wait })).rejects.toMatchObject({
        name: expect.stringMatching(/Timeout/) as unknown,
      })
    }
    hold.release()
    await expect(transcript.compact([1n], { expect: version })).rejects.toMatchObject({ code: 'ERR_SESSION_VALUE' })
    await expect(transcript.compact([2], {} as { expect: string })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    })
    expect(valuesIn(transcript.path)).toEqual([1])
    expect(strangersBeside(transcript.path)).toEqual([])
  })

  test('leaves nothing behind where the file cannot be replaced, and says why', async () => {
    const path = file()
    const transcript = await opened(path)
    mkdirSync(path)
    await expect(transcript.compact([1], { expect: 'none' })).rejects.toMatchObject({
      code: 'ERR_SESSION_SYSTEM',
      cause: { code: 'EISDIR' },
    })
    expect(strangersBeside(path)).toEqual([])
  })

  test.skipIf(missing(posix))('keeps the permissions of the file', async () => {
    const transcript = await fresh()
    const version = await transcript.append(1)
    for (const mode of [0o640, 0o604, 0o777]) {
      chmodSync(transcript.path, mode)
      await transcript.compact([mode], { expect: await transcript.version() })
      expect(statSync(transcript.path).mode & 0o7777).toBe(mode)
    }
    expect(await transcript.version()).not.toBe(version)
  })

  test.skipIf(missing(root))('keeps the owner of the file', async () => {
    const transcript = await fresh()
    const version = await transcript.append(1)
    chownSync(transcript.path, 1234, 2345)
    await transcript.compact([2], { expect: version })
    expect(statSync(transcript.path)).toMatchObject({ uid: 1234, gid: 2345 })
  })

  test.skipIf(missing(posix))('of a symlink replaces what it leads to, beside that', async () => {
    const target = file()
    const link = join(dirname(file()), 'link')
    symlinkSync(target, link)
    const transcript = await opened(link)
    expect(transcript.path).toBe(target)
    const version = await transcript.append(1)
    await transcript.compact([2], { expect: version })
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(valuesIn(target)).toEqual([2])
    expect(strangersBeside(target)).toEqual([])
  })

  test('is followed by whoever has the file open, here and in other processes', async () => {
    const transcript = await fresh()
    const { path } = transcript
    const [other, agent] = await Promise.all([opened(path), TranscriptAgent.start()])
    const key = await agent.open(path)
    await Promise.all([transcript.append(1), other.append(2), agent.append(key, 3)])
    for (let round = 0; round < 5; round++) {
      const version = await transcript.compact([{ round }], { expect: await transcript.version() })
      expect(await other.version()).toBe(version)
      await other.append('other', { expect: version })
      await agent.append(key, 'agent')
      await transcript.append('own')
      expect(valuesIn(path)).toEqual([{ round }, 'other', 'agent', 'own'])
    }
  })

  test('while lanes of several processes append loses and repeats no line', async () => {
    const transcript = await fresh()
    const { path } = transcript
    const agents = await Promise.all([TranscriptAgent.start(), TranscriptAgent.start()])
    const keys = await Promise.all(agents.map((agent) => agent.open(path)))
    await transcript.append({ name: 'start', n: 0 })
    const state = { appending: true }
    const everything = Promise.all(
      agents.map(async (agent, index) => {
        for (let n = 0; n < 600; n += 20) await agent.appendMany(keys[index] ?? -1, `agent ${index}`, n, 20)
      }),
    ).finally(() => (state.appending = false))

    // What was compacted is counted; the rest is in the file.
    const next = new Map<string, number>()
    let compactions = 0
    const count = (values: unknown[]): void => {
      for (const { name, n } of values as { name: string; n: number }[]) {
        expect(n, name).toBe(next.get(name) ?? 0)
        next.set(name, n + 1)
      }
    }
    while (state.appending) {
      const snapshot = transcript.read()
      const values = valuesOf(await linesOf(snapshot))
      await transcript.compact([], { expect: snapshot.version })
      count(values)
      compactions++
    }
    await everything
    count(valuesOf(await linesOf(transcript.read())))
    expect(Object.fromEntries(next)).toEqual({ start: 1, 'agent 0': 600, 'agent 1': 600 })
    expect(compactions).toBeGreaterThan(1)
    expect(strangersBeside(path)).toEqual([])
  })

  test('leaves nothing of one whose process died', async () => {
    const transcript = await fresh()
    const version = await transcript.append(1)
    const left = join(dirname(transcript.path), `.file.${'0123456789abcdef'.repeat(2)}.compacted`)
    writeFileSync(left, '"of the dead"\n')
    await transcript.compact([2], { expect: version })
    expect(strangersBeside(transcript.path)).toEqual([])
  })
})
