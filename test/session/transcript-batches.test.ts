// How appends of many lanes share the lock: how many batches, how large, in which order, and at which version each is.
import { existsSync, statSync, writeFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { acquire } from '../../src/index.js'
import type { Transcript } from '../../src/session.js'
import { file } from '../helpers/target.js'
import { TranscriptAgent } from '../helpers/transcript-agent.js'
import { fresh, holdEvents, opened, valuesIn } from '../helpers/transcript.js'

/** Holds the lock until the appends of this turn are queued. */
async function whileHeld<T>({ path }: Transcript, queue: () => T): Promise<T> {
  const hold = await acquire(path)
  const queued = queue()
  hold.release()
  return queued
}

function many(count: number, append: (n: number) => Promise<string>): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => append(n)))
}

describe('batches', () => {
  test('a lone append is one batch, and the next one another', async () => {
    const transcript = await fresh()
    const holds = holdEvents()
    await transcript.append(1)
    expect(holds).toHaveLength(1)
    await transcript.append(2)
    expect(holds).toHaveLength(2)
    expect(holds.map(({ label }) => label)).toEqual(['transcript', 'transcript'])
  })

  test('what many lanes append while a batch is out goes out as one', async () => {
    const transcript = await fresh()
    const holds = holdEvents()
    const first = transcript.append('first')
    const rest = many(500, (n) => transcript.append({ n }))
    await Promise.all([first, rest])
    expect(holds.length).toBeLessThanOrEqual(2)
    expect(valuesIn(transcript.path)).toHaveLength(501)
  })

  test('what many lanes append while another one holds the lock goes out as one', async () => {
    const transcript = await fresh()
    const appended = await whileHeld(transcript, () => {
      const holds = holdEvents()
      return { holds, all: many(300, (n) => transcript.append({ n })) }
    })
    await appended.all
    expect(appended.holds).toHaveLength(1)
  })

  test('lanes that each wait for their line before the next one share batches as well', async () => {
    const transcript = await fresh()
    const holds = holdEvents()
    async function lane(name: number): Promise<void> {
      for (let n = 0; n < 50; n++) await transcript.append({ name, n })
    }
    await Promise.all(Array.from({ length: 20 }, (_, name) => lane(name)))
    // One for each round, and a few more while they find together.
    expect(holds.length).toBeLessThan(100)
    const lines = valuesIn(transcript.path) as { name: number; n: number }[]
    expect(lines).toHaveLength(1000)
    for (let name = 0; name < 20; name++) {
      const own = lines.filter((line) => line.name === name).map(({ n }) => n)
      expect(own).toEqual(Array.from({ length: 50 }, (_, n) => n))
    }
  })

  test('a batch has at most the bytes it may have, and a longer append is one of its own', async () => {
    const batchBytes = 100
    const transcript = await fresh({ batchBytes })
    const long = 'x'.repeat(250)
    const values = ['a'.repeat(47), 'b'.repeat(47), 'c'.repeat(47), 'd'.repeat(46), long, 'e']
    const { holds, all } = await whileHeld(transcript, () => ({
      holds: holdEvents(),
      all: Promise.all(values.map((value) => transcript.append(value))),
    }))
    await all
    // 50 + 50; 50 + 49; 253; 4
    expect(holds).toHaveLength(4)
    expect(valuesIn(transcript.path)).toEqual(values)
  })

  test.for(['none', 'batch', 'each'] as const)(
    'with %s, the lines are in the order in which they were appended',
    async (durability) => {
      const transcript = await fresh({ durability })
      await Promise.all([many(40, (n) => transcript.append(n)), transcript.appendAll([40, 41]), transcript.append(42)])
      expect(valuesIn(transcript.path)).toEqual(Array.from({ length: 43 }, (_, n) => n))
    },
  )

  test(`with 'each', every call has a batch of its own, however many values it has`, async () => {
    const transcript = await fresh({ durability: 'each' })
    const { holds, all } = await whileHeld(transcript, () => ({
      holds: holdEvents(),
      all: Promise.all([transcript.append(1), transcript.appendAll([2, 3, 4]), transcript.append(5)]),
    }))
    await all
    expect(holds).toHaveLength(3)
    expect(valuesIn(transcript.path)).toEqual([1, 2, 3, 4, 5])
  })

  test('two transcripts of one file in one process, and a third in another, lose nothing and keep the order of each', async () => {
    const path = file()
    const [one, two, agent] = await Promise.all([opened(path), opened(path), TranscriptAgent.start()])
    const there = await agent.open(path)
    const elsewhere = agent.appendMany(there, 'elsewhere', 0, 200)
    const here = [one, two].map(async (transcript, name) => {
      for (let n = 0; n < 200; n += 10) await many(10, (index) => transcript.append({ name, n: n + index }))
    })
    expect((await elsewhere).every((version) => typeof version === 'string')).toBe(true)
    await Promise.all(here)
    const lines = valuesIn(path) as { name: unknown; n: number }[]
    expect(lines).toHaveLength(600)
    for (const name of [0, 1, 'elsewhere']) {
      const own = lines.filter((line) => line.name === name).map(({ n }) => n)
      expect(own).toEqual(Array.from({ length: 200 }, (_, n) => n))
    }
  })
})

describe('versions', () => {
  test('append() resolves to the version that the file has then', async () => {
    const transcript = await fresh()
    for (const value of [1, 'ü'.repeat(50), { text: 'x'.repeat(5000) }, 'short', 'y'.repeat(4094), 'z']) {
      const version = await transcript.append(value)
      expect(await transcript.version()).toBe(version)
      // As somebody sees it who has never written.
      expect(await (await opened(transcript.path)).version()).toBe(version)
    }
  })

  test('each of a batch has the version of the file as far as its own lines', async () => {
    const transcript = await fresh()
    await transcript.append('before')
    const values = ['a', 'b'.repeat(3000), 'c'.repeat(3000), 'd'.repeat(9000), 'e']
    const versions = await whileHeld(transcript, () => Promise.all(values.map((value) => transcript.append(value))))
    expect(new Set(versions).size).toBe(values.length)

    // The same lines one by one, in a file of another name: sizes and hashes must be the same.
    const single = await fresh()
    await single.append('before')
    for (const [index, value] of values.entries()) {
      const version = await single.append(value)
      expect(versions[index]?.split('-').slice(1)).toEqual(version.split('-').slice(1))
    }
    expect(versions.at(-1)).toBe(await transcript.version())
  })

  test('the version is the same for another process, and changes when that writes', async () => {
    const transcript = await fresh()
    const ours = await transcript.append(1)
    const agent = await TranscriptAgent.start()
    const key = await agent.open(transcript.path)
    expect(await agent.ask('version', key)).toBe(ours)
    const theirs = await agent.append(key, 2)
    expect(theirs).not.toBe(ours)
    expect(await transcript.version()).toBe(theirs)
    expect(await transcript.append(3)).toBe(await agent.ask('version', key))
  })

  test('a file of the same content that was made anew has another version', async () => {
    const transcript = await fresh()
    const version = await transcript.append('same')
    await transcript.delete()
    const again = await transcript.append('same')
    expect(again).not.toBe(version)
    expect(again.split('-').slice(1)).toEqual(version.split('-').slice(1))
  })
})

describe('expect', () => {
  test('lets the append through at that version, and refuses it at any other, with the version there is', async () => {
    const transcript = await fresh()
    const first = await transcript.append(1)
    const second = await transcript.append(2, { expect: first })
    await expect(transcript.append('stale', { expect: first })).rejects.toMatchObject({
      name: 'SessionError',
      code: 'ERR_SESSION_CONFLICT',
      version: second,
      undone: true,
    })
    expect(await transcript.append(3, { expect: second })).toBe(await transcript.version())
    expect(valuesIn(transcript.path)).toEqual([1, 2, 3])
  })

  test('of no file makes it, and refuses where there is one', async () => {
    const transcript = await fresh()
    const version = await transcript.append(1, { expect: 'none' })
    await expect(transcript.append(2, { expect: 'none' })).rejects.toMatchObject({
      code: 'ERR_SESSION_CONFLICT',
      version,
    })
    await transcript.delete()
    await expect(transcript.append(3, { expect: version })).rejects.toMatchObject({
      code: 'ERR_SESSION_CONFLICT',
      version: 'none',
    })
    await transcript.append(4, { expect: 'none' })
    expect(valuesIn(transcript.path)).toEqual([4])
  })

  test('of the same version lets one of several in a batch through, the first one', async () => {
    const transcript = await fresh()
    const version = await transcript.append('start')
    const { holds, outcomes } = await whileHeld(transcript, () => ({
      holds: holdEvents(),
      outcomes: Promise.allSettled([
        transcript.append('free'),
        transcript.append('late', { expect: version }),
        transcript.append('free again'),
      ]),
    }))
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(holds).toHaveLength(1)

    const now = await transcript.version()
    const race = await whileHeld(transcript, () =>
      Promise.allSettled(['a', 'b', 'c'].map((value) => transcript.append(value, { expect: now }))),
    )
    expect(race.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(valuesIn(transcript.path)).toEqual(['start', 'free', 'free again', 'a'])
  })

  test('of a file that is not there lets one of several through', async () => {
    const transcript = await fresh()
    const race = await whileHeld(transcript, () =>
      Promise.allSettled(['a', 'b'].map((value) => transcript.append(value, { expect: 'none' }))),
    )
    expect(race.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(valuesIn(transcript.path)).toEqual(['a'])
  })

  test('of several processes at once lets exactly one through, again and again', async () => {
    const transcript = await fresh()
    const agents = await Promise.all([TranscriptAgent.start(), TranscriptAgent.start()])
    const keys = await Promise.all(agents.map((agent) => agent.open(transcript.path)))
    for (let round = 0; round < 20; round++) {
      const version = await transcript.version()
      const race = await Promise.allSettled([
        transcript.append({ round }, { expect: version }),
        ...agents.map((agent, index) => agent.append(keys[index] ?? -1, { round }, { expect: version })),
      ])
      expect(race.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    }
    expect(valuesIn(transcript.path)).toEqual(Array.from({ length: 20 }, (_, round) => ({ round })))
  })

  test('sees a change of the last bytes that kept the size', async () => {
    const transcript = await fresh()
    const version = await transcript.append('aaaa')
    const { size } = statSync(transcript.path)
    writeFileSync(transcript.path, '"bbbb"\n', { flag: 'r+' })
    expect(statSync(transcript.path).size).toBe(size)
    await expect(transcript.append('next', { expect: version })).rejects.toMatchObject({ code: 'ERR_SESSION_CONFLICT' })
  })

  test('of something that was never a version is refused as an argument', async () => {
    const transcript = await fresh()
    await expect(transcript.append(1, { expect: 'yesterday' })).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    })
    expect(existsSync(transcript.path)).toBe(false)
  })
})
