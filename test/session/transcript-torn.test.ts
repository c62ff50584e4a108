// Last lines without an end. Of a writer that is dead: moved aside and cut. Of one that may live: ended where they are, and
// copied aside. Whole lines are never touched, whatever is in them.
import { appendFileSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { acquire } from '../../src/index.js'
import type { TranscriptEvent } from '../../src/session.js'
import { Agent } from '../helpers/agent.js'
import { missing, posix } from '../helpers/capabilities.js'
import { file } from '../helpers/target.js'
import { TranscriptAgent } from '../helpers/transcript-agent.js'
import {
  asides,
  fresh,
  linesOf,
  opened,
  strangersBeside,
  transcriptEvents,
  valuesIn,
  valuesOf,
} from '../helpers/transcript.js'

/** Another process takes the lock, writes that much, and dies. */
async function dieInside(path: string, text: string): Promise<void> {
  const agent = await TranscriptAgent.start()
  await expect(agent.ask('dieInside', path, text)).rejects.toThrow('it ended')
  expect(await agent.ended).toBe('SIGKILL')
}

/** As if the machine had been started again since the last hold. */
function forgetBoot(path: string): void {
  const record = readFileSync(`${path}.hold`, 'latin1')
  const older = record.replace(/"boot":"[^"]+"/, (boot) => `"boot":"${'0'.repeat(boot.length - 9)}"`)
  expect(older).not.toBe(record)
  writeFileSync(`${path}.hold`, older, 'latin1')
}

function toldOnce(events: TranscriptEvent[], kind: TranscriptEvent['kind'], path: string, line: string): void {
  const bytes = Buffer.byteLength(line)
  const aside: unknown = expect.stringMatching(/\.torn-\d{8}T\d{9}Z$/)
  expect(events).toEqual([{ kind, path, bytes, aside }])
  expect(readFileSync(events[0]?.aside ?? '')).toEqual(Buffer.from(line))
}

const HALF = '{"half":"zwö'
const WHOLE = '{"n":1}\n'

describe('a last line without end, whose writer died holding the lock,', () => {
  test('is moved aside and cut when the transcript is opened', async () => {
    const path = file()
    writeFileSync(path, WHOLE)
    await dieInside(path, HALF)
    const events = transcriptEvents()
    const transcript = await opened(path)
    expect(readFileSync(path, 'utf8')).toBe(WHOLE)
    toldOnce(events, 'torn', path, HALF)
    await transcript.append({ n: 2 })
    expect(valuesIn(path)).toEqual([{ n: 1 }, { n: 2 }])
    expect(events).toHaveLength(1)
  })

  test('is moved aside and cut by the next append of a transcript that was open already', async () => {
    const transcript = await fresh()
    const { path } = transcript
    await transcript.append({ n: 1 })
    await dieInside(path, HALF)
    const events = transcriptEvents()
    expect(await transcript.append({ n: 2 })).toBe(await transcript.version())
    expect(valuesIn(path)).toEqual([{ n: 1 }, { n: 2 }])
    toldOnce(events, 'torn', path, HALF)
  })

  test('does not change the version of what is whole', async () => {
    const transcript = await fresh()
    const version = await transcript.append({ n: 1 })
    await dieInside(transcript.path, HALF)
    await transcript.append({ n: 2 }, { expect: version })
    expect(valuesIn(transcript.path)).toEqual([{ n: 1 }, { n: 2 }])
  })

  test('is moved aside by a compaction that is the first to have the lock', async () => {
    const transcript = await fresh()
    const { path } = transcript
    const version = await transcript.appendAll([1, 2, 3])
    await dieInside(path, HALF)
    const events = transcriptEvents()
    await transcript.compact([6], { expect: version })
    await transcript.append(4)
    expect(valuesIn(path)).toEqual([6, 4])
    toldOnce(events, 'torn', path, HALF)
  })

  test('is mended by one of several who come at once', async () => {
    const path = file()
    writeFileSync(path, WHOLE)
    await dieInside(path, HALF)
    const agents = await Promise.all([TranscriptAgent.start(), TranscriptAgent.start()])
    const [one, two] = await Promise.all([opened(path), opened(path), ...agents.map((agent) => agent.open(path))])
    await Promise.all([one.append(2), two.append(3), ...agents.map((agent) => agent.append(0, 4))])
    expect(valuesIn(path)).toHaveLength(5)
    expect(asides(path)).toEqual([Buffer.from(HALF).toString('latin1')])
  })

  test('keeps nobody from opening the file while the lock is held', async () => {
    const path = file()
    writeFileSync(path, WHOLE + HALF)
    const agent = await Agent.start()
    const hold = await agent.acquire(path)
    const transcript = await opened(path, { timeout: 10 })
    expect(readFileSync(path, 'utf8')).toBe(WHOLE + HALF)
    await agent.release(hold)
    await transcript.append(2, { timeout: Infinity })
    expect(valuesOf(await linesOf(transcript.read()))).toEqual([{ n: 1 }, 'damaged!', 2])
  })
})

describe('a last line without end, since the last hold of an earlier boot,', () => {
  test('is moved aside and cut, though that hold was released', async () => {
    const before = await fresh()
    const { path } = before
    await before.append({ n: 1 })
    await before.close()
    forgetBoot(path)
    appendFileSync(path, HALF)
    const events = transcriptEvents()
    const transcript = await opened(path)
    await transcript.append({ n: 2 })
    expect(valuesIn(path)).toEqual([{ n: 1 }, { n: 2 }])
    toldOnce(events, 'torn', path, HALF)
  })

  test('is one of this boot once something was written: then it is ended, not cut', async () => {
    const before = await fresh()
    const { path } = before
    await before.append({ n: 1 })
    forgetBoot(path)
    const transcript = await opened(path)
    await transcript.append({ n: 2 })
    appendFileSync(path, HALF)
    await transcript.append({ n: 3 })
    expect(valuesOf(await linesOf(transcript.read()))).toEqual([{ n: 1 }, { n: 2 }, 'damaged!', { n: 3 }])
  })
})

describe('NULs at the end, as filesystems leave them when the power fails,', () => {
  test.for([
    ['after whole lines', WHOLE, '\0\0\0\0'],
    ['after half a line', WHOLE, `${HALF}\0\0`],
    ['in a file of nothing else', '', '\0'.repeat(10)],
    ['of many pages', WHOLE, '\0'.repeat(200_000)],
  ] as const)('%s are moved aside and cut, whoever held the lock', async ([, whole, line]) => {
    const path = file()
    writeFileSync(path, whole + line)
    const events = transcriptEvents()
    const transcript = await opened(path)
    expect(readFileSync(path, 'utf8')).toBe(whole)
    toldOnce(events, 'torn', path, line)
    await transcript.append(2)
    expect(valuesIn(path).at(-1)).toBe(2)
  })
})

describe('a last line without end, of a writer that does not keep the lock,', () => {
  test('is ended where it is and copied aside, and readers see it as damaged', async () => {
    const transcript = await fresh()
    const { path } = transcript
    await transcript.append({ n: 1 })
    appendFileSync(path, HALF)
    const events = transcriptEvents()
    expect(await transcript.append({ n: 2 })).toBe(await transcript.version())
    expect(readFileSync(path, 'utf8')).toBe(`${WHOLE}${HALF}\n{"n":2}\n`)
    toldOnce(events, 'unfinished', path, HALF)
    const lines = await linesOf(transcript.read())
    expect(valuesOf(lines)).toEqual([{ n: 1 }, 'damaged!', { n: 2 }])
    expect(lines[1]).toMatchObject({ kind: 'damaged', text: HALF, offset: WHOLE.length })
  })

  test('that goes on later has all its bytes in the file', async () => {
    const transcript = await fresh()
    const { path } = transcript
    appendFileSync(path, '{"half":')
    await transcript.append({ n: 1 })
    appendFileSync(path, 'true}\n')
    await transcript.append({ n: 2 })
    expect(readFileSync(path, 'utf8')).toBe('{"half":\n{"n":1}\ntrue}\n{"n":2}\n')
  })

  test('that was whole but for its newline is a line', async () => {
    const path = file()
    writeFileSync(path, '{"n":1}')
    const transcript = await opened(path)
    await transcript.append({ n: 2 })
    expect(valuesOf(await linesOf(transcript.read()))).toEqual([{ n: 1 }, { n: 2 }])
  })

  test('is a change of the version', async () => {
    const transcript = await fresh()
    const version = await transcript.append({ n: 1 })
    appendFileSync(transcript.path, HALF)
    await expect(transcript.append({ n: 2 }, { expect: version })).rejects.toMatchObject({
      code: 'ERR_SESSION_CONFLICT',
    })
  })

  test('is copied under names of their own, however often it happens', async () => {
    const transcript = await fresh()
    const halves = Array.from({ length: 20 }, (_, n) => `{"half":${n}`)
    for (const half of halves) {
      appendFileSync(transcript.path, half)
      await transcript.append(half.length)
    }
    expect(asides(transcript.path).sort()).toEqual([...halves].sort())
  })
})

/** Around what is looked at first, and what is looked at next. */
const SIZES = [4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000]

describe.for([
  ['after another line', WHOLE],
  ['in a file of nothing else', ''],
])('a long line without end, %s,', ([, whole = '']) => {
  test('is moved aside and cut whole, and not a byte before it', async () => {
    for (const size of SIZES) {
      const path = file()
      writeFileSync(path, whole)
      const line = 'x'.repeat(size)
      writeFileSync(path, `${whole}${line.slice(1)}\0`)
      const transcript = await opened(path)
      expect(readFileSync(path, 'utf8')).toBe(whole)
      expect(asides(path)).toEqual([`${line.slice(1)}\0`])
      await transcript.append(2)
      expect(readFileSync(path, 'utf8')).toBe(`${whole}2\n`)
    }
  })

  test('is ended and copied whole', async () => {
    for (const size of SIZES) {
      const path = file()
      const line = 'x'.repeat(size)
      writeFileSync(path, `${whole}${line}`)
      const transcript = await opened(path)
      await transcript.append(2)
      expect(readFileSync(path, 'utf8')).toBe(`${whole}${line}\n2\n`)
      expect(asides(path)).toEqual([line])
    }
  })
})

describe.skipIf(missing(posix))('where the copy of a last line would be', () => {
  const TIME = '20300101T000000000Z'
  const CUT = `${HALF}\0\0`

  function planted(count: number): string {
    const path = file()
    writeFileSync(path, WHOLE + CUT)
    for (let name = 1; name <= count; name++) {
      symlinkSync('nowhere', `${path}.torn-${TIME}${name === 1 ? '' : `-${name}`}`)
    }
    vi.spyOn(Date.prototype, 'toISOString').mockReturnValue('2030-01-01T00:00:00.000Z')
    onTestFinished(() => void vi.restoreAllMocks())
    return path
  }

  test('there is a planted link: another name is taken, and nothing is written through it', async () => {
    const path = planted(1)
    const transcript = await opened(path)
    await transcript.append({ n: 2 })
    expect(readFileSync(`${path}.torn-${TIME}-2`, 'utf8')).toBe(CUT)
    expect(strangersBeside(path).sort()).toEqual([`file.torn-${TIME}`, `file.torn-${TIME}-2`])
  })

  test('everything is taken: the append is refused, and the error names what is in the way', async () => {
    const path = planted(16)
    const transcript = await opened(path)
    const attempt = transcript.append({ n: 2 })
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM', path, cause: { code: 'ELOOP' } })
    await expect(attempt).rejects.toThrow(`${path}.torn-${TIME}-16`)
    expect(readFileSync(path, 'utf8')).toBe(WHOLE + CUT)
    expect(strangersBeside(path)).toHaveLength(16)
  })
})

test('damage in the middle is reported to readers and never touched', async () => {
  const path = file()
  const content = `${WHOLE}${HALF}\n\0\0\0\0\n\n{"n":2}\n[broken\n"last"\n`
  writeFileSync(path, content)
  await dieInside(path, '')
  const events = transcriptEvents()
  const transcript = await opened(path)
  await transcript.append('ours')
  expect(readFileSync(path, 'utf8')).toBe(`${content}"ours"\n`)
  const lines = await linesOf(transcript.read())
  expect(valuesOf(lines)).toEqual([{ n: 1 }, 'damaged!', 'damaged!', { n: 2 }, 'damaged!', 'last', 'ours'])
  expect(events).toEqual([])
  expect(strangersBeside(path)).toEqual([])
})

test('a file that is as it should be is opened without the lock', async () => {
  const path = file()
  writeFileSync(path, WHOLE)
  const hold = await acquire(path)
  const transcript = await opened(path, { timeout: 0 })
  expect(valuesOf(await linesOf(transcript.read()))).toEqual([{ n: 1 }])
  hold.release()
  expect(readdirSync(path.slice(0, path.lastIndexOf('/')))).toHaveLength(2)
})
