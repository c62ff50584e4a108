// Writes that fail in the middle, at every byte of a batch. What was refused is not in the file, what was acknowledged is,
// and when there is room again, so is what comes next.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { missing, program } from '../helpers/capabilities.js'
import { mounts, tmpfs } from '../helpers/mount.js'
import { file } from '../helpers/target.js'
import { TranscriptAgent, type Outcome } from '../helpers/transcript-agent.js'
import { asides, opened, strangersBeside, transcriptEvents, valuesIn } from '../helpers/transcript.js'

/** The soft limit of another process: no file may grow beyond it. */
function limit({ pid }: TranscriptAgent, most: number | 'unlimited'): void {
  const limited = spawnSync('prlimit', ['--pid', `${pid}`, `--fsize=${most}:`])
  expect(limited.status, String(limited.stderr)).toBe(0)
}

const LINES = 5
/** As many digits in each, so that every batch has the same size. */
const FIRST = 1000

const refused = (outcome: Outcome): boolean => typeof outcome !== 'string'

describe('where a file may not grow any more', () => {
  const unable = missing(program('prlimit'))

  test.skipIf(unable)(
    'at any byte of a batch, all of it is refused, nothing of it is left, and the next one is written',
    async () => {
      const path = file()
      const agent = await TranscriptAgent.start()
      const key = await agent.open(path, { durability: 'none' })
      // Longer than the record of the lock file, which has the same limit.
      await agent.append(key, 'x'.repeat(600))
      const expected: unknown[] = ['x'.repeat(600)]
      let n = FIRST
      const append = async (): Promise<Outcome[]> => {
        const outcomes = await agent.appendMany(key, 'lane', n, LINES)
        const values = outcomes.map((_, index) => ({ name: 'lane', n: n + index }))
        expected.push(...values.filter((_, index) => !refused(outcomes[index] ?? '')))
        n += LINES
        return outcomes
      }
      const before = statSync(path).size
      expect((await append()).filter(refused)).toEqual([])
      const batch = statSync(path).size - before
      expect(batch).toBeGreaterThan(100)

      for (let offset = 0; offset <= batch; offset++) {
        const { size } = statSync(path)
        limit(agent, size + offset)
        const outcomes = await append()
        limit(agent, 'unlimited')
        const lost = outcomes.filter(refused)
        for (const outcome of lost) {
          expect(outcome).toEqual({ code: 'ERR_SESSION_SYSTEM', cause: 'EFBIG', undone: true })
        }
        expect(lost.length, `${offset} bytes of ${batch}`).toBeGreaterThanOrEqual(offset < batch ? 1 : 0)
        if (offset === 0) expect(lost).toHaveLength(LINES)
        if (offset === batch) expect(lost).toEqual([])
        expect(valuesIn(path)).toEqual(expected)
      }
      expect((await append()).filter(refused)).toEqual([])
      expect(valuesIn(path)).toEqual(expected)
      expect(strangersBeside(path)).toEqual([])
    },
  )

  test.skipIf(unable)('a compaction is refused and leaves the file as it was, and nothing beside it', async () => {
    const path = file()
    const agent = await TranscriptAgent.start()
    const key = await agent.open(path)
    const version = await agent.append(key, 'x'.repeat(2000))
    const before = readFileSync(path)
    for (const most of [700, 1500]) {
      limit(agent, most)
      const compacted = agent.ask('compact', key, ['y'.repeat(1800)], { expect: version })
      await expect(compacted).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM', causeCode: 'EFBIG', undone: true })
      limit(agent, 'unlimited')
      expect(readFileSync(path)).toEqual(before)
      expect(strangersBeside(path)).toEqual([])
    }
    // The new file has room, but not with what was appended since.
    await agent.append(key, 'z'.repeat(2000))
    limit(agent, 2500)
    const compacted = agent.ask('compact', key, ['y'.repeat(1800)], { expect: version })
    await expect(compacted).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM', causeCode: 'EFBIG', undone: true })
    limit(agent, 'unlimited')
    expect(valuesIn(path)).toEqual(['x'.repeat(2000), 'z'.repeat(2000)])
    expect(strangersBeside(path)).toEqual([])
    await agent.ask('compact', key, ['short'], { expect: version })
    expect(valuesIn(path)).toEqual(['short', 'z'.repeat(2000)])
  })
})

describe('on a full disk', () => {
  const unable = missing(mounts)

  /** Takes all the room there is. */
  function fill(folder: string): { free: () => void } {
    const path = join(folder, 'filler')
    expect(() => writeFileSync(path, Buffer.alloc(2 ** 21))).toThrow(/ENOSPC/)
    return { free: () => rmSync(path) }
  }

  test.skipIf(unable)('an append is refused and undone, and written again when there is room', async () => {
    const folder = tmpfs('size=1m')
    const path = join(folder, 'file')
    const transcript = await opened(path)
    await transcript.append('first')
    const filler = fill(folder)
    const long = 'x'.repeat(9000)
    await expect(transcript.append(long)).rejects.toMatchObject({
      code: 'ERR_SESSION_SYSTEM',
      undone: true,
      cause: { code: 'ENOSPC', syscall: 'write', path },
    })
    expect(valuesIn(path)).toEqual(['first'])
    // There is room for a short one, on the page that the file has.
    await transcript.append('short')
    filler.free()
    await transcript.append(long)
    expect(valuesIn(path)).toEqual(['first', 'short', long])
  })

  test.skipIf(unable)('the file itself cannot be made: it is refused, and made later', async () => {
    const folder = tmpfs('size=1m,nr_inodes=5')
    const path = join(folder, 'file')
    const transcript = await opened(path)
    // The folder, the lock file, and what is in the way.
    for (const name of ['1', '2', '3']) writeFileSync(join(folder, name), '')
    await expect(transcript.append(1)).rejects.toMatchObject({
      code: 'ERR_SESSION_SYSTEM',
      undone: true,
      cause: { code: 'ENOSPC' },
    })
    rmSync(join(folder, '1'))
    await transcript.append(2)
    expect(valuesIn(path)).toEqual([2])
  })

  test.skipIf(unable)(
    'what a dead writer left is not cut before it is saved, and is saved when there is room',
    async () => {
      const folder = tmpfs('size=1m')
      const path = join(folder, 'file')
      const transcript = await opened(path)
      await transcript.append('first')
      const agent = await TranscriptAgent.start()
      const half = '{"half":'
      await expect(agent.ask('dieInside', path, half)).rejects.toThrow('it ended')
      const filler = fill(folder)
      const events = transcriptEvents()
      for (let tries = 0; tries < 2; tries++) {
        await expect(transcript.append('second')).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM', undone: true })
        expect(readFileSync(path, 'utf8')).toBe(`"first"\n${half}`)
        expect(asides(path)).toEqual([])
      }
      filler.free()
      await transcript.append('second')
      expect(valuesIn(path)).toEqual(['first', 'second'])
      expect(asides(path)).toEqual([half])
      expect(events.map(({ kind }) => kind)).toEqual(['torn'])
    },
  )
})
