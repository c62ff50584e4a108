// What surroundings must not do to a transcript.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'

import { expect, onTestFinished, test } from 'vitest'

import { missing, program } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { fresh, linesOf, opened, valuesIn, valuesOf } from '../helpers/transcript.js'

const here = process.cwd()

test('a relative lock file stays the one it was when the transcript was opened, whatever the working directory', async () => {
  const folder = scratch()
  mkdirSync(join(folder, 'a'))
  mkdirSync(join(folder, 'b'))
  onTestFinished(() => process.chdir(here))
  process.chdir(join(folder, 'a'))
  const transcript = await opened('t.jsonl', { lockfile: 'my.lock' })
  process.chdir(join(folder, 'b'))
  await transcript.append(1)
  expect([existsSync(join(folder, 'a', 'my.lock')), existsSync(join(folder, 'b', 'my.lock'))]).toEqual([true, false])
})

test('close() waits for a compaction', async () => {
  const transcript = await fresh()
  const expected = await transcript.append('old')
  let done = false
  const compaction = transcript.compact(['new'], { expect: expected }).then(() => (done = true))
  await transcript.close()
  expect(done).toBe(true)
  await compaction
  expect(valuesIn(transcript.path)).toEqual(['new'])
})

test('a name so long that nothing can be added is compacted all the same', async () => {
  const transcript = await opened(join(scratch(), 'n'.repeat(240)))
  const expected = await transcript.append('old')
  await transcript.compact(['new'], { expect: expected })
  expect(valuesIn(transcript.path)).toEqual(['new'])
})

test('what is no list is not compacted, and appending nothing still expects its version', async () => {
  const transcript = await fresh()
  const version = await transcript.append(1)
  for (const values of ['abc', 5, null] as unknown as unknown[][]) {
    await expect(transcript.compact(values, { expect: version })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    })
  }
  expect(await transcript.appendAll([], { expect: version })).toBe(version)
  await transcript.append(2)
  await expect(transcript.appendAll([], { expect: version })).rejects.toMatchObject({ code: 'ERR_SESSION_CONFLICT' })
  expect(valuesIn(transcript.path)).toEqual([1, 2])
})

test.skipIf(missing(program('mkfifo')))(
  'a FIFO at the path is refused by readers and takes no thread of the pool',
  async () => {
    const folder = scratch()
    const path = join(folder, 't.jsonl')
    const transcript = await opened(path)
    spawnSync('mkfifo', [path])
    const ends = await Promise.allSettled(Array.from({ length: 8 }, () => linesOf(transcript.read())))
    for (const end of ends) {
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'ERR_SESSION_SYSTEM' } })
    }
    await expect(transcript.append(1)).rejects.toMatchObject({ code: 'ERR_SESSION_SYSTEM' })
    writeFileSync(join(folder, 'other'), 'there')
    expect(await readFile(join(folder, 'other'), 'utf8')).toBe('there')
  },
)

test('of lines that somebody who does not keep the lock appends amid compactions, none is lost that was there in time', async () => {
  const transcript = await fresh()
  await transcript.append('first')
  const script = `
    const { appendFileSync } = require('node:fs')
    let n = 0
    const timer = setInterval(() => {
      for (let i = 0; i < 10; i++) appendFileSync(${JSON.stringify(transcript.path)}, (n++) + '\\n')
      if (n === 3000) { clearInterval(timer); process.disconnect() }
    }, 1)`
  const writer = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = { over: false }
  void once(writer, 'exit').then(() => (ended.over = true))
  let compactions = 0
  while (!ended.over) {
    const all = transcript.read()
    const values = valuesOf(await linesOf(all))
    await transcript.compact(values, { expect: all.version })
    compactions++
  }
  expect(compactions).toBeGreaterThan(3)
  const numbers = valuesIn(transcript.path).filter((value) => typeof value === 'number')
  expect(numbers).toEqual([...new Set(numbers)])
  // Whoever opens the file, and writes to it when it has been replaced, writes to a file without a name. That is rare.
  expect(numbers.length).toBeGreaterThan(2990)
})

test('many readers that follow with one signal print no warning', async () => {
  const transcript = await fresh()
  await transcript.append(1)
  const warnings: string[] = []
  const listener = (warning: Error): void => void warnings.push(warning.name)
  process.on('warning', listener)
  onTestFinished(() => void process.off('warning', listener))
  const leaving = new AbortController()
  const readers = Array.from({ length: 15 }, async () => {
    for await (const line of transcript.read({ follow: true, signal: leaving.signal }))
      if (line.kind === 'reset') return
  })
  const ends = Promise.allSettled(readers)
  await transcript.append(2)
  leaving.abort()
  const reasons = (await ends).map((end) => (end.status === 'rejected' ? (end.reason as unknown) : 'ended'))
  expect(new Set(reasons)).toEqual(new Set([leaving.signal.reason]))
  await new Promise(setImmediate)
  expect(warnings).toEqual([])
  expect(readFileSync(transcript.path, 'utf8')).toBe('1\n2\n')
})
