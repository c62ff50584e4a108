// An append to a long file costs what one to a short file costs: the same system calls, which read the same bytes. Seen from
// outside, by strace.
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { acquire } from '../../src/index.js'
import { missing } from '../helpers/capabilities.js'
import { scratch } from '../helpers/scratch.js'
import { file } from '../helpers/target.js'
import { strace, TranscriptAgent } from '../helpers/transcript-agent.js'
import { opened } from '../helpers/transcript.js'
import { until } from '../helpers/until.js'

const KILOBYTE = 1024
const GIGABYTE = 2 ** 30
/** More of the end than a version is made of. */
const TAIL = 8 * KILOBYTE
const CALLS = 'desc,file,ftruncate,fsync,fdatasync'

/** One that ends with a whole line of a kilobyte; what is before that takes no room. */
function longFile(size: number): string {
  const path = file()
  const descriptor = openSync(path, 'w')
  const line = `"${'x'.repeat(KILOBYTE - 3)}"\n`
  ftruncateSync(descriptor, size)
  if (size > line.length) writeSync(descriptor, '\n', size - line.length - 1)
  writeSync(descriptor, line, size - line.length)
  closeSync(descriptor)
  return path
}

/** A call during which another thread did something is two lines of a trace. */
function wholeCalls(lines: string[]): string[] {
  return lines.flatMap((line, index) => {
    const [, pid = '', begin] = /^(\d+) +(.*) <unfinished/.exec(line) ?? []
    if (begin === undefined) return line.includes(' resumed>') ? [] : [line]
    const end = lines.slice(index).find((later) => later.startsWith(`${pid} `) && later.includes(' resumed>'))
    return [`${pid} ${begin}${end?.split(' resumed>')[1] ?? ''}`]
  })
}

interface Append {
  /** Each call on the file and its lock file. Threads take turns, in whatever order: so, sorted. */
  readonly calls: string[]
  /** How many bytes of the file were read. */
  readonly read: number
}

/** What the process did between two marks: the calls that name the folder, or a descriptor of something in it. */
function between(log: string, folder: string, from: string, to: string): Append {
  const text = readFileSync(log, 'utf8')
  const start = text.indexOf(`/mark-${from}`)
  const end = text.indexOf(`/mark-${to}`)
  if (start < 0 || end < start) throw new Error(`the trace has no ${from} before ${to}`)
  const ours = wholeCalls(text.slice(start, end).split('\n')).filter((line) => line.includes(folder))
  let read = 0
  const calls = ours.map((line) => {
    const [, call = '', name = ''] = /^\d+ +(\w+)\(.*?(file(?:\.hold)?)[">]/.exec(line) ?? []
    const result = Number(/ = (-?\d+)/.exec(line)?.[1] ?? 0)
    if (/^p?read(64)?$/.test(call) && name === 'file') read += result
    return `${call} ${name}`
  })
  return { calls: calls.sort(), read }
}

/** What the second of two appends does, and the third, before which another process has written. */
async function appends(size: number): Promise<{ steady: Append; after: Append }> {
  const path = longFile(size)
  const folder = path.slice(0, path.lastIndexOf('/'))
  const log = join(scratch(), 'log')
  const agent = await TranscriptAgent.startThrough('strace', '-f', '-y', '-qq', '-o', log, '-e', `trace=${CALLS}`)
  const key = await agent.open(path)
  await agent.append(key, { n: 1 })
  await agent.ask('mark', 'one')
  await agent.append(key, { n: 2 })
  await agent.ask('mark', 'two')
  await (await opened(path)).append({ other: true })
  await agent.ask('mark', 'three')
  await agent.append(key, { n: 3 })
  await agent.ask('mark', 'four')
  await until('the trace is written', () => readFileSync(log, 'utf8').includes('/mark-four'))
  return { steady: between(log, folder, 'one', 'two'), after: between(log, folder, 'three', 'four') }
}

describe('an append', () => {
  test.skipIf(missing(strace))(
    'makes the same system calls and reads the same bytes at a kilobyte and at a gigabyte',
    async () => {
      const [short, long] = await Promise.all([appends(2 * KILOBYTE), appends(GIGABYTE)])
      expect(long.steady.calls).toEqual(short.steady.calls)
      expect(long.after.calls.filter((call) => !call.startsWith('pread'))).toEqual(
        short.after.calls.filter((call) => !call.startsWith('pread')),
      )
      // Alone, nothing of the file is read; after another process, what a version is made of.
      expect([short.steady.read, long.steady.read]).toEqual([0, 0])
      expect(long.after.read).toBeGreaterThan(0)
      expect(long.after.read).toBeLessThanOrEqual(TAIL)
      expect(short.after.read).toBeLessThanOrEqual(TAIL)
      // What must be there is there: this looks at the right calls.
      for (const call of ['flock file.hold', 'openat file', 'write file', 'fdatasync file']) {
        expect(long.steady.calls.filter((made) => made === call)).toHaveLength(call.startsWith('flock') ? 2 : 1)
      }
    },
  )

  test('to a file of a gigabyte has the version that another process sees', async () => {
    const path = longFile(GIGABYTE)
    const transcript = await opened(path)
    const agent = await TranscriptAgent.start()
    const key = await agent.open(path)
    const version = await transcript.append({ n: 1 })
    expect(await agent.ask('version', key)).toBe(version)
    expect(await agent.append(key, { n: 2 }, { expect: version })).toBe(await transcript.version())
  })

  test.skipIf(missing(strace)).for([
    ['none', 0],
    ['batch', 1],
    ['each', 10],
  ] as const)(`with '%s', ten that wait for one lock are synchronised %i times`, async ([durability, times]) => {
    const path = file()
    writeFileSync(path, '')
    const log = join(scratch(), 'log')
    const filter = ['-P', path, '-e', 'trace=write,fdatasync,fsync']
    const agent = await TranscriptAgent.startThrough('strace', '-f', '-qq', '-o', log, ...filter)
    const key = await agent.open(path, { durability })
    const hold = await acquire(path)
    const appended = agent.appendMany(key, 'lane', 0, 10)
    await agent.ask('version', key) // they wait
    hold.release()
    await appended
    await agent.ask('close', key)
    await agent.kill()
    const trace = readFileSync(log, 'utf8')
    expect(trace.match(/ (fdatasync|fsync)\(/g) ?? []).toHaveLength(times)
    expect(trace.match(/ write\(/g) ?? []).toHaveLength(Math.max(1, times))
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(11)
  })

  // Power may fail after that: whether a half line was left by a writer that is dead is read in the record.
  test.skipIf(missing(strace)).for([
    ['none', 'write file'],
    ['batch', 'fdatasync file.hold, fsync folder, write file, fdatasync file'],
  ] as const)(
    `with '%s', the lock's record is on the device before the first line, and nobody waits for it again`,
    async ([durability, first]) => {
      const path = file()
      writeFileSync(path, '')
      const folder = path.slice(0, path.lastIndexOf('/'))
      const log = join(scratch(), 'log')
      const filter = ['-P', path, '-P', `${path}.hold`, '-P', folder, '-e', 'trace=write,fdatasync,fsync']
      const agent = await TranscriptAgent.startThrough('strace', '-f', '-y', '-qq', '-o', log, ...filter)
      const key = await agent.open(path, { durability })
      await agent.append(key, { n: 1 })
      await agent.append(key, { n: 2 })
      await agent.ask('close', key)
      await agent.kill()
      const calls = wholeCalls(readFileSync(log, 'utf8').split('\n')).map((line) => {
        const [, call = '', name = ''] = /^\d+ +(\w+)\(\d+<([^>]*)>/.exec(line) ?? []
        return `${call} ${name === folder ? 'folder' : name.slice(folder.length + 1)}`
      })
      expect(calls.filter((call) => call !== ' ').join(', ')).toContain(first)
      expect(calls.filter((call) => call === 'fdatasync file.hold')).toHaveLength(durability === 'none' ? 0 : 1)
    },
  )

  test('to a small file reads no more than it has', async () => {
    const path = file()
    writeFileSync(path, '1\n')
    const transcript = await opened(path)
    const version = await transcript.version()
    await transcript.append(2, { expect: version })
    expect(readFileSync(path, 'utf8')).toBe('1\n2\n')
  })
})
