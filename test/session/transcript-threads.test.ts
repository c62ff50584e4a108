// The write, and the unlock after it, take no part in what Node is busy with: an event loop that is blocked, a thread pool
// that is full, a hold that is ended in the middle, a worker that is terminated.
import { execFileSync } from 'node:child_process'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { acquire, tryAcquire } from '../../src/index.js'
import { missing, posix, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { slowWriter, strace, TranscriptAgent, TranscriptThread } from '../helpers/transcript-agent.js'
import { valuesIn } from '../helpers/transcript.js'
import { until } from '../helpers/until.js'

describe.for([
  ['asleep', 'in Atomics.wait()'],
  ['busy', 'in a loop that never ends'],
])('in a process whose event loop is blocked %s', ([how, where]) => {
  test(`since the append (${where ?? ''}), the line is written and the lock is free again`, async () => {
    const path = file()
    const [mark, go] = [join(scratch(), 'mark'), join(scratch(), 'go')]
    const agent = await TranscriptAgent.start()
    const key = await agent.open(path)
    const appended = agent.ask<string>('appendAndBlock', key, { n: 1 }, how, mark, go)
    await until('it is blocked', () => existsSync(mark))
    await until('the line is there', () => existsSync(path) && statSync(path).size > 0)
    const hold = await acquire(path)
    expect(valuesIn(path)).toEqual([{ n: 1 }])
    expect(hold.recoveredFrom).toBeNull()
    hold.release()

    writeFileSync(go, '')
    expect(await appended).toBe(await agent.ask('version', key))
  })
})

const FIFOS = ['1', '2', '3', '4']

test.skipIf(missing(posix, program('mkfifo')))(
  'with every thread of the pool blocked in a call, appends are written, and the lock is freed, as ever',
  async () => {
    const path = file()
    const folder = scratch()
    const fifos = FIFOS.map((name) => join(folder, name))
    execFileSync('mkfifo', fifos)
    const agent = await TranscriptAgent.start({ env: { ...process.env, UV_THREADPOOL_SIZE: `${FIFOS.length}` } })
    const key = await agent.open(path)
    await agent.ask('blockPool', fifos)
    expect(await agent.ask('poolAnswers')).toBe(false)

    await agent.append(key, { n: 1 })
    ;(await acquire(path)).release()
    expect(await agent.append(key, { n: 2 })).toBe(await agent.ask('version', key))
    expect(valuesIn(path)).toEqual([{ n: 1 }, { n: 2 }])
    expect(await agent.ask('poolAnswers')).toBe(false)
  },
)

describe('a hold that ends while its write is under way', () => {
  const unable = missing(strace)

  test.skipIf(unable)('by releaseAll() frees the lock after the write, and the append tells of the write', async () => {
    const path = file()
    const { agent, begun } = await slowWriter(path)
    const key = await agent.open(path)
    const appended = agent.append(key, { n: 1 })
    await begun()
    expect(await agent.ask('releaseAll')).toBe(1)
    const hold = await acquire(path)
    expect(valuesIn(path)).toEqual([{ n: 1 }])
    hold.release()
    expect(await appended).toBe(await agent.ask('version', key))
  })

  test.skipIf(unable)('by its maxHold does the same', async () => {
    const path = file()
    const { agent, begun } = await slowWriter(path)
    const key = await agent.open(path, { maxHold: 250 })
    const appended = agent.append(key, { n: 1 })
    await begun()
    const hold = await acquire(path)
    expect(hold.recoveredFrom).toBeNull() // nothing was left undone
    expect(valuesIn(path)).toEqual([{ n: 1 }])
    hold.release()
    expect(await appended).toBe(await agent.ask('version', key))
  })
})

describe('a worker that is terminated', () => {
  test('in the middle of appends leaves whole lines, in order, and no lock', async () => {
    const path = file()
    for (let round = 0; round < 6; round++) {
      const thread = await TranscriptThread.start()
      const key = await thread.open(path, { durability: round % 2 === 0 ? 'none' : 'batch' })
      const before = existsSync(path) ? statSync(path).size : 0
      await thread.ask('startLanes', key, 5, round < 3 ? 100 : 300_000)
      await until('lines are written', () => existsSync(path) && statSync(path).size > before)
      await thread.worker.terminate()

      const hold = await acquire(path)
      const lines = valuesIn(path) as { lane: number; n: number; text: string }[]
      hold.release()
      for (let lane = 0; lane < 5; lane++) {
        const own = lines.filter((line) => line.lane === lane).map(({ n }) => n)
        // Each worker counts from 1.
        for (const [index, n] of own.entries()) expect(n === 1 || n === (own[index - 1] ?? 0) + 1).toBe(true)
      }
    }
    expect(tryAcquire(path)).not.toBeNull()
  })
})
