// Others that do not keep the lock write to, delete, rename and cut a transcript at any moment. What holds all the same.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { describe, expect, onTestFinished, test } from 'vitest'

import { tryAcquire } from '../../src/index.js'
import type { Transcript } from '../../src/session.js'
import { missing } from '../helpers/capabilities.js'
import { file } from '../helpers/target.js'
import { stoppedBeforeWrite, strace } from '../helpers/transcript-agent.js'
import { asides, fresh, linesOf, opened, transcriptEvents, valuesIn } from '../helpers/transcript.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/transcript-foreign.mjs', import.meta.url))
const LANES = 8

interface Line {
  readonly lane: number
  readonly n: number
}

/** Resolves to all that it wrote, when it has. */
async function foreignWriter(path: string, lines: number, seed: number): Promise<{ written: Promise<string> }> {
  const child = fork(PROGRAM, [path, `${lines}`, `${seed}`])
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  const written = once(child, 'message').then(([message]) => String(message))
  return { written }
}

/** Lanes that append line after line until they are told to stop. */
function startLanes(transcript: Transcript): { stop: () => Promise<Line[]>; acknowledged: Line[] } {
  const acknowledged: Line[] = []
  let stopped = false
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    for (let n = 0; !stopped; n++) {
      await transcript.append({ lane, n })
      acknowledged.push({ lane, n })
    }
  })
  const stop = async (): Promise<Line[]> => {
    stopped = true
    await Promise.all(lanes)
    return acknowledged
  }
  return { stop, acknowledged }
}

const text = ({ lane, n }: Line): string => `{"lane":${lane},"n":${n}}`
const OURS = /^\{"lane":(\d+),"n":(\d+)\}$/

/** Our lines of a file, as whole lines, in the order of the file. */
function ourLines(...contents: string[]): Line[] {
  return contents
    .flatMap((content) => content.split('\n'))
    .map((line) => OURS.exec(line))
    .filter((match) => match !== null)
    .map(([, lane, n]) => ({ lane: Number(lane), n: Number(n) }))
}

function exactlyOnceInOrder(lines: Line[], acknowledged: Line[]): void {
  expect(acknowledged.length).toBeGreaterThan(0)
  for (let lane = 0; lane < LANES; lane++) {
    const own = lines.filter((line) => line.lane === lane).map(({ n }) => n)
    expect(own).toEqual(acknowledged.filter((line) => line.lane === lane).map(({ n }) => n))
  }
}

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

describe('a writer that does not keep the lock', () => {
  test('loses no byte, and takes none of ours, when it appends in pieces at any moment', async () => {
    console.log(`foreign writer: SEED=${SEED}`)
    const transcript = await fresh()
    const { path } = transcript
    const events = transcriptEvents()
    const writers = await Promise.all([0, 1].map((index) => foreignWriter(path, 150, SEED + index)))
    const lanes = startLanes(transcript)
    const one = await Promise.all(writers.map(({ written }) => written))
    const acknowledged = await lanes.stop()

    const content = readFileSync(path, 'utf8')
    exactlyOnceInOrder(ourLines(content), acknowledged)
    // Ours that stand behind a half line of theirs, in the way, were written again; all that is left is theirs.
    const theirs = content.replaceAll(/\{"lane":\d+,"n":\d+\}/g, '').replaceAll('\n', '')
    const bytes = (part: string) => Buffer.from(part.replaceAll('\n', '')).sort()
    expect(bytes(theirs)).toEqual(bytes(one.join('')))
    expect(events.some(({ kind }) => kind === 'unfinished')).toBe(true)
    expect(events.filter(({ kind }) => kind === 'torn' || kind === 'failed')).toEqual([])
  })

  test('alone has its bytes in the file in the order in which it wrote them', async () => {
    const transcript = await fresh()
    const { path } = transcript
    const { written } = await foreignWriter(path, 150, SEED)
    const lanes = startLanes(transcript)
    const all = await written
    const acknowledged = await lanes.stop()
    const content = readFileSync(path, 'utf8')
    exactlyOnceInOrder(ourLines(content), acknowledged)
    const theirs = content.replaceAll(/\{"lane":\d+,"n":\d+\}/g, '')
    expect(theirs.replaceAll('\n', '')).toBe(all.replaceAll('\n', ''))
    // What was copied aside when it was half is a part of it.
    for (const half of asides(path)) expect(all).toContain(half)
  })

  test('is seen by readers as lines of its own', async () => {
    const transcript = await fresh()
    const { written } = await foreignWriter(transcript.path, 20, SEED)
    const lanes = startLanes(transcript)
    await written
    const acknowledged = await lanes.stop()
    const values = (await linesOf(transcript.read())).flatMap((line) => (line.kind === 'value' ? [line.value] : []))
    expect(values).toHaveLength(acknowledged.length)
  })
})

describe('when somebody without the lock, again and again,', () => {
  const ROUNDS = 60

  test('deletes the file, what was acknowledged after a deletion is in the new one', async () => {
    const transcript = await fresh()
    const { path } = transcript
    const lanes = startLanes(transcript)
    for (let round = 0; round < ROUNDS; round++) {
      while (!existsSync(path)) await pause(0)
      rmSync(path)
    }
    const before = new Set(lanes.acknowledged.map(text))
    const first = await Promise.all(Array.from({ length: 20 }, (_, n) => transcript.append({ lane: LANES, n })))
    expect(new Set(first).size).toBe(20)
    const acknowledged = await lanes.stop()
    const content = readFileSync(path, 'utf8')
    // Those that were on their way when it was deleted may have been acknowledged in the file that is gone.
    const after = acknowledged.filter((line) => !before.has(text(line)))
    const inFile = new Set(ourLines(content).map(text))
    const missing = after.filter((line) => !inFile.has(text(line)))
    expect(missing.length).toBeLessThanOrEqual(LANES)
    expect(
      ourLines(content)
        .filter(({ lane }) => lane === LANES)
        .map(({ n }) => n),
    ).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(inFile.size).toBe(ourLines(content).length)
    expect(valuesIn(path)).toHaveLength(inFile.size)
  })

  test('renames it, every line is in exactly one of the files, in order', async () => {
    const transcript = await fresh()
    const { path } = transcript
    const lanes = startLanes(transcript)
    for (let round = 0; round < ROUNDS; round++) {
      while (!existsSync(path)) await pause(0)
      renameSync(path, `${path}.${round}`)
      await pause(0)
    }
    const acknowledged = await lanes.stop()
    const files = Array.from({ length: ROUNDS }, (_, round) => `${path}.${round}`).concat(existsSync(path) ? path : [])
    for (const name of files) valuesIn(name)
    exactlyOnceInOrder(ourLines(...files.map((name) => readFileSync(name, 'utf8'))), acknowledged)
  })

  test('cuts it to nothing, what is there afterwards are whole lines, none twice, and the last ones all of them', async () => {
    const transcript = await fresh()
    const { path } = transcript
    const lanes = startLanes(transcript)
    for (let round = 0; round < ROUNDS * 5; round++) {
      while (!existsSync(path)) await pause(0)
      truncateSync(path, 0)
      if (round % 3 === 0) await pause(0)
    }
    const before = lanes.acknowledged.length
    const acknowledged = await lanes.stop()
    valuesIn(path)
    const lines = ourLines(readFileSync(path, 'utf8'))
    expect(new Set(lines.map(text)).size).toBe(lines.length)
    // In each lane, those at the end, without a gap.
    for (let lane = 0; lane < LANES; lane++) {
      const own = lines.filter((line) => line.lane === lane).map(({ n }) => n)
      const all = acknowledged.filter((line) => line.lane === lane).map(({ n }) => n)
      expect(own).toEqual(own.length === 0 ? [] : all.slice(-own.length))
    }
    expect(acknowledged.length).toBeGreaterThan(before)
  })
})

describe('in the moment between our look at the file and our write to it', () => {
  const unable = missing(strace)
  const BEFORE = `{"before":"${'x'.repeat(5000)}"}\n`

  /** Five lines in one batch, `meanwhile`, and what the file has then. */
  async function write(meanwhile: (path: string) => void): Promise<{ path: string; content: string }> {
    const path = file()
    writeFileSync(path, BEFORE)
    const { agent, stopped, goOn } = await stoppedBeforeWrite(path)
    const key = await agent.open(path)
    const hold = tryAcquire(path)
    const appended = agent.appendMany(key, 'a', 0, 5)
    await agent.ask('version', key) // they are queued
    hold?.release()
    await stopped()
    meanwhile(path)
    goOn()
    const versions = await appended
    // The last one that was written has the version of the file.
    expect(versions).toContain(await agent.ask('version', key))
    return { path, content: readFileSync(path, 'utf8') }
  }

  const line = (n: number) => `{"name":"a","n":${n}}\n`
  const ours = [0, 1, 2, 3, 4].map(line).join('')

  test.skipIf(unable)('somebody appends lines: they and ours are there, once', async () => {
    const { content } = await write((path) => appendFileSync(path, '"theirs"\n'))
    expect(content).toBe(`${BEFORE}"theirs"\n${ours}`)
  })

  test.skipIf(unable)(
    'somebody appends half a line: ours that was glued to it is written again, after the others',
    async () => {
      const { content } = await write((path) => appendFileSync(path, '{"half":'))
      expect(content).toBe(`${BEFORE}{"half":${ours}${line(0)}`)
    },
  )

  test.skipIf(unable)('somebody deletes the file: ours are in the new one', async () => {
    const { content } = await write((path) => rmSync(path))
    expect(content).toBe(ours)
  })

  test.skipIf(unable)('somebody replaces the file: ours are in the new one', async () => {
    const { content } = await write((path) => {
      writeFileSync(`${path}.new`, '"new"\n')
      renameSync(`${path}.new`, path)
    })
    expect(content).toBe(`"new"\n${ours}`)
  })

  test.skipIf(unable)('somebody cuts the file to nothing: ours are there once', async () => {
    const { content } = await write((path) => truncateSync(path, 0))
    expect(content).toBe(ours)
  })

  test.skipIf(unable)(
    'somebody cuts the file in the middle of a line: ours are there, and the one glued to it again',
    async () => {
      const { content } = await write((path) => truncateSync(path, 4999))
      expect(content).toBe(`${BEFORE.slice(0, 4999)}${ours}${line(0)}`)
    },
  )
})

test('a transcript that is put in the place of another one is written to, with a version of its own', async () => {
  const path = file()
  const one = await opened(path)
  const other = await opened(`${path}.new`)
  const version = await one.append({ lane: 0, n: 0 })
  await other.append({ lane: 1, n: 0 })
  renameSync(other.path, path)
  await expect(one.append({ lane: 0, n: 1 }, { expect: version })).rejects.toMatchObject({
    code: 'ERR_SESSION_CONFLICT',
  })
  expect(await one.append({ lane: 0, n: 1 })).toBe(await one.version())
  expect(valuesIn(path)).toEqual([
    { lane: 1, n: 0 },
    { lane: 0, n: 1 },
  ])
})
