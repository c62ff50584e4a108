// The threads that make changes: whose changes they make, and when they end.
import { readdirSync, readFileSync, statSync } from 'node:fs'

import { expect, test } from 'vitest'

import { change } from '../../src/door.js'
import { acquire } from '../../src/index.js'
import { missing, procfs } from '../helpers/capabilities.js'
import { file } from '../helpers/target.js'
import { TranscriptThread } from '../helpers/transcript-agent.js'
import { fresh } from '../helpers/transcript.js'
import { until } from '../helpers/until.js'

const MEBIBYTE = 2 ** 20

test('a worker that is terminated takes no change of another thread with it', async () => {
  const { path } = await fresh()
  let over = false
  const look = async (): Promise<number> => {
    let looks = 0
    for (; !over; looks++) await change({ task: 'look', path })
    return looks
  }
  // More than there are threads for: most wait at every moment, and those of the workers among them.
  const looking = Array.from({ length: 300 }, look)
  for (let round = 0; round < 3; round++) {
    const thread = await TranscriptThread.start()
    const files = Array.from({ length: 40 }, file)
    const keys = await Promise.all(files.map((one) => thread.open(one, { durability: 'none' })))
    for (const key of keys) await thread.ask('startLanes', key, 1, 10)
    await until('lines are written', () => statSync(files[0] ?? '', { throwIfNoEntry: false }) !== undefined)
    await thread.worker.terminate()
  }
  over = true
  for (const looks of await Promise.all(looking)) expect(looks).toBeGreaterThan(0)
})

test('a worker that is terminated in the middle of a write leaves a whole line, and the lock after it', async () => {
  const path = file()
  const thread = await TranscriptThread.start()
  const key = await thread.open(path, { durability: 'none', lineBytes: 128 * MEBIBYTE })
  const text = 'x'.repeat(100 * MEBIBYTE)
  const appended = thread.append(key, text).catch(() => null)
  await until('some of it is there', () => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0)
  await thread.worker.terminate()
  await appended
  const hold = await acquire(path)
  expect(statSync(path).size).toBe(text.length + 3)
  expect(readFileSync(path).subarray(-2).toString()).toBe('"\n')
  hold.release()
})

test.skipIf(missing(procfs))('their threads end when there has been nothing to do for a while', async () => {
  const threads = (): number => readdirSync('/proc/self/task').length
  const transcript = await fresh()
  await transcript.append(1)
  const before = threads()
  await until('one has ended', () => threads() < before)
  await transcript.append(2)
})
