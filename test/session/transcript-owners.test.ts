// Owners that hold locks and write transcripts: what they do at once comes one after another, and circles are refused.
import { expect, onTestFinished, test } from 'vitest'

import { acquire, Owner, type Hold } from '../../src/index.js'
import { updateJson } from '../../src/session.js'
import { file } from '../helpers/target.js'
import { fresh, valuesIn, valuesOf, linesOf } from '../helpers/transcript.js'

function owner(label: string): Owner {
  const made = new Owner(label)
  onTestFinished(() => made.close())
  return made
}

async function held(path: string, by: Owner): Promise<Hold> {
  const hold = await acquire(path, { owner: by })
  onTestFinished(() => hold.release())
  return hold
}

test('an owner that holds the lock appends and compacts at once, and no line is lost or doubled', async () => {
  const transcript = await fresh({ durability: 'none' })
  await transcript.append('first')
  const lane = owner('lane')
  await held(transcript.path, lane)
  const appended: unknown[] = ['first']
  for (let round = 0; round < 60; round++) {
    const all = transcript.read()
    const values = valuesOf(await linesOf(all))
    const compaction = transcript.compact(values, { expect: all.version, owner: lane })
    for (let turn = 0; turn < round % 7; turn++) await Promise.resolve()
    for (let line = 0; line < 4; line++) {
      await transcript.append(`${round}.${line}`, { owner: lane })
      appended.push(`${round}.${line}`)
    }
    await compaction
  }
  expect(valuesIn(transcript.path)).toEqual(appended)
})

test('an owner that holds another lock updates a file twice at once, and no update is lost', async () => {
  const path = file()
  const lane = owner('lane')
  await held(file(), lane)
  for (let round = 0; round < 40; round++) {
    const update = (): Promise<unknown> =>
      updateJson<{ n: number }>(path, ({ n }) => ({ n: n + 1 }), { owner: lane, initial: { n: 0 } })
    await Promise.all([update(), update()])
  }
  expect(valuesIn(path)).toEqual([{ n: 80 }])
})

test('an append that could never have been written is refused at once: its owner holds what others wait for', async () => {
  const transcript = await fresh()
  const [one, two] = [owner('one'), owner('two')]
  const other = file()
  await held(other, one)
  await held(transcript.path, two)
  const waits = acquire(other, { owner: two, timeout: Infinity })
  waits.catch(() => {}) // ended by the end of the test
  await expect(transcript.append(1, { owner: one, timeout: Infinity })).rejects.toMatchObject({
    code: 'ERR_LOCK_DEADLOCK',
  })
})
