// The system refuses a call, does a part of it, or forgets what it promised: what was said of it is true, nobody else's
// lines suffer, and the lock goes free.
import { execFileSync } from 'node:child_process'
import { appendFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { missing, program } from '../helpers/capabilities.js'
import { faultable, Worker, type Fault } from '../helpers/faults.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'
import { all, contentOf } from './killed.js'
import { failEachCall, type Attempt } from './sweep.js'

const LONG = 300_000

const open = (worker: Worker, file: string): Promise<unknown> => worker.ask('open', file)

const openWithLine = async (worker: Worker, file: string): Promise<void> => {
  await open(worker, file)
  await worker.ask('append', 1)
}

/** Opened again, for a failure may have been final. */
const appendAgain: Attempt['again'] = async (worker, file, content) => {
  await open(worker, file)
  await worker.ask('append', 'again')
  return `${content}"again"\n`
}

/** The same store, which no failure stops. */
const updateAgain: Attempt['again'] = async (worker, _, content) => {
  await worker.ask('update', 'again', true)
  return `${JSON.stringify({ ...(JSON.parse(content === '' ? '{}' : content) as object), again: true })}\n`
}

const attempts: { title: string; attempt: Attempt }[] = [
  {
    title: 'an append',
    attempt: { prepare: openWithLine, run: (worker) => worker.ask('append', 2), done: '1\n2\n', again: appendAgain },
  },
  {
    title: 'the append that makes the file',
    attempt: { prepare: open, run: (worker) => worker.ask('append', 2), done: '2\n', again: appendAgain },
  },
  {
    title: 'a compaction',
    attempt: {
      prepare: async (worker, file) => {
        await openWithLine(worker, file)
        expected.set(worker, await worker.ask('version'))
        await worker.ask('append', 2)
      },
      run: (worker) => worker.ask('compact', ['short'], expected.get(worker)),
      done: '"short"\n2\n',
      again: appendAgain,
    },
  },
  {
    title: 'a deletion',
    attempt: {
      prepare: openWithLine,
      run: (worker) => worker.ask('delete'),
      done: '',
      looksAgain: true,
      again: appendAgain,
    },
  },
  {
    title: 'an update of a store',
    attempt: {
      prepare: async (worker, file) => {
        await worker.ask('openStore', file, { initial: {} })
        await worker.ask('update', 'one', 1)
      },
      run: (worker) => worker.ask('update', 'two', 2),
      done: '{"one":1,"two":2}\n',
      again: updateAgain,
    },
  },
  {
    title: 'the update that makes the store',
    attempt: {
      prepare: (worker, file) => worker.ask('openStore', file, { initial: {} }),
      run: (worker) => worker.ask('update', 'two', 2),
      done: '{"two":2}\n',
      again: updateAgain,
    },
  },
]

const expected = new WeakMap<Worker, string>()

/** All kinds, or those that most calls may have. EACCES for ever is how some filesystems say that a lock is busy. */
const kinds: { error: NonNullable<Fault['error']>; from: boolean }[] = [
  { error: 'EIO', from: false },
  { error: 'ENOSPC', from: true },
  ...(all ? (['EIO', 'EMFILE'] as const).map((error) => ({ error, from: true })) : []),
  ...(all ? (['ENOSPC', 'EMFILE', 'EACCES'] as const).map((error) => ({ error, from: false })) : []),
]

describe('one call after the other', () => {
  for (const { title, attempt } of attempts) {
    for (const { error, from } of kinds) {
      const which = from ? `${error} from a call on` : `${error} of one call`
      test.skipIf(missing(faultable))(`${which}: ${title} tells the truth`, { timeout: LONG }, async () => {
        const outcomes = await failEachCall(error, from, attempt)
        expect(outcomes.length).toBeGreaterThan(15)
        expect(outcomes.some(({ error }) => error !== null)).toBe(true)
      })
    }

    test.skipIf(missing(faultable))(`an interruption does not stop ${title}`, { timeout: LONG }, async () => {
      const outcomes = await failEachCall('EINTR', false, attempt)
      const refused = outcomes.filter(({ error }) => error !== null).map(({ call }) => call.split(' ')[0])
      // The others are never interrupted on files of a disk.
      const never = ['fstat', 'lstat', 'stat', 'statx', 'unlink']
      expect(refused.filter((call) => !never.includes(call ?? ''))).toEqual([])
    })
  }
})

/** Of a fault of one worker, in a folder of its own. */
async function worker(): Promise<{ worker: Worker; file: string }> {
  const folder = scratch()
  return { worker: await Worker.start(folder), file: join(folder, 'file') }
}

describe('a write that fails in the middle', () => {
  /** The disk is full after so many bytes of the next write. */
  const fullAfter = (bytes: number, error: Fault['error'] = 'ENOSPC'): Fault[] => [
    ...(bytes > 0 ? [{ does: 'part', call: 'write', file: 'file', most: bytes } as const] : []),
    { does: 'fail', call: 'write', file: 'file', at: bytes > 0 ? -2 : -1, error },
  ]

  test.skipIf(missing(faultable))(
    'at any byte is taken back, and refused to those whose lines were in it, and to nobody else',
    { timeout: LONG },
    async () => {
      const { worker: writer, file } = await worker()
      const batch = ['eins', 'zwölf', { three: 3 }]
      const size = Buffer.byteLength(batch.map((value) => `${JSON.stringify(value)}\n`).join(''))
      await openWithLine(writer, file)
      for (let bytes = 0; bytes < size; bytes++) {
        const before = contentOf(file)
        const [partly, full] = fullAfter(bytes)
        // The first lane's line goes out alone; the others gather meanwhile.
        const second =
          full === undefined ? [{ ...partly, at: -2 } as Fault] : [{ ...partly, at: 2 } as Fault, { ...full, at: -3 }]
        writer.faults.arm(...second)
        const refused = await writer.ask<({ code: string; causeCode: string; undone: boolean } | null)[]>(
          'appendEach',
          [bytes, ...batch],
        )
        writer.faults.disarm()
        const refusal = expect.objectContaining({
          code: 'ERR_SESSION_SYSTEM',
          causeCode: 'ENOSPC',
          undone: true,
        }) as unknown
        expect(refused).toEqual([null, refusal, refusal, refusal])
        expect(contentOf(file)).toBe(`${before}${bytes}\n`)
      }
      await writer.ask('append', 'room again')
      expect(contentOf(file).endsWith('"room again"\n')).toBe(true)
      expect(await writer.ask('events')).toEqual([])
    },
  )

  test.skipIf(missing(faultable)).for(['ENOSPC', 'EDQUOT', 'EIO', 'EFBIG'] as const)(
    'with %s and cannot be cut back is said to be there, and glued to nothing',
    async (error) => {
      const { worker: writer, file } = await worker()
      await openWithLine(writer, file)
      writer.faults.arm(...fullAfter(3, error), { does: 'fail', call: 'ftruncate', error: 'EIO' })
      const refusal = await writer.refusal('append', 'lost')
      expect(refusal).toMatchObject({
        code: 'ERR_SESSION_SYSTEM',
        causeCode: error,
        causeSyscall: 'write',
        undone: false,
      })
      expect(contentOf(file)).toMatch(/^1\n"lo\n?$/)
      expect(await writer.ask('events')).toContainEqual({ kind: 'fragment', bytes: 7, aside: null })
      writer.faults.disarm()
      if (error === 'EIO') {
        expect(await writer.refusal('append', 2)).toMatchObject({ code: 'ERR_SESSION_FAILED', causeCode: 'EIO' })
        await open(writer, file)
      }
      await writer.ask('append', 2)
      expect(contentOf(file)).toBe('1\n"lo\n2\n')
    },
  )

  test.skipIf(missing(faultable))(
    'is not cut back under what somebody who keeps no lock has written since',
    async () => {
      const { worker: writer, file } = await worker()
      await openWithLine(writer, file)
      const [partly] = fullAfter(3)
      writer.faults.arm(...(partly === undefined ? [] : [partly]), stopAndFail(2))
      const refused = writer.refusal('append', 'lost')
      await until('it has written a part', () => writer.faults.stopped === 1)
      appendFileSync(file, 'theirs')
      writer.faults.resume()
      expect(await refused).toMatchObject({ code: 'ERR_SESSION_SYSTEM', causeCode: 'ENOSPC', undone: false })
      expect(contentOf(file)).toBe('1\n"lotheirs\n')
      await writer.ask('append', 2)
      expect(contentOf(file)).toBe('1\n"lotheirs\n2\n')
    },
  )

  test.skipIf(missing(faultable))(
    'before its first byte leaves the line alone that somebody else is writing',
    async () => {
      const { worker: writer, file } = await worker()
      await openWithLine(writer, file)
      writer.faults.arm(stopAndFail(1))
      const refused = writer.refusal('append', 'lost')
      await until('it is about to write', () => writer.faults.stopped === 1)
      appendFileSync(file, '{"in":')
      writer.faults.resume()
      expect(await refused).toMatchObject({ code: 'ERR_SESSION_SYSTEM', causeCode: 'ENOSPC', undone: true })
      appendFileSync(file, '"pieces"}\n')
      await writer.ask('append', 2)
      expect(contentOf(file)).toBe('1\n{"in":"pieces"}\n2\n')
    },
  )
})

test.skipIf(missing(faultable))('a new file is glued to nothing that somebody has written to it at once', async () => {
  const { worker: writer, file } = await worker()
  await open(writer, file)
  writer.faults.arm({ does: 'stop', call: 'fstat', file: 'file' })
  const appended = writer.ask('append', 'ours')
  await until('it has made the file', () => writer.faults.stopped === 1)
  appendFileSync(file, '{"theirs":')
  writer.faults.resume()
  await appended
  expect(contentOf(file)).toBe('{"theirs":\n"ours"\n')
})

/** A write that waits, and then finds the disk full. */
function stopAndFail(at: number): Fault {
  return { does: 'stop', call: 'write', file: 'file', at, error: 'ENOSPC' }
}

const limits = program('prlimit')

describe('a limit that the process has', () => {
  test.skipIf(missing(faultable, limits))('for the size of files fails the write, and not the process', async () => {
    const { worker: writer, file } = await worker()
    await openWithLine(writer, file)
    // SIGXFSZ goes to the thread that writes; there it is blocked.
    execFileSync('prlimit', ['--pid', String(writer.process.pid), '--fsize=600:'])
    const long = 'x'.repeat(700)
    for (const value of [long, 'y'.repeat(700)]) {
      const refusal = { code: 'ERR_SESSION_SYSTEM', causeCode: 'EFBIG', causeSyscall: 'write', undone: true }
      expect(await writer.refusal('append', value)).toMatchObject(refusal)
      expect(contentOf(file)).toBe('1\n')
    }
    await writer.ask('append', 'short')
    execFileSync('prlimit', ['--pid', String(writer.process.pid), '--fsize=unlimited:'])
    await writer.ask('append', long)
    expect(contentOf(file)).toBe(`1\n"short"\n"${long}"\n`)
  })
})

describe('a sync that fails', () => {
  test.skipIf(missing(faultable)).for(['EIO', 'ENOSPC', 'EDQUOT'] as const)(
    'with %s takes the lines back, and the transcript refuses to go on until it is opened again',
    async (error) => {
      const { worker: writer, file } = await worker()
      await openWithLine(writer, file)
      writer.faults.arm({ does: 'fail', call: 'fdatasync', error })
      const refusal = { code: 'ERR_SESSION_SYSTEM', causeCode: error, causeSyscall: 'fdatasync', undone: true }
      expect(await writer.refusal('append', 2)).toMatchObject(refusal)
      expect(contentOf(file)).toBe('1\n')
      expect(await writer.ask('events')).toEqual([{ kind: 'failed', bytes: 2, aside: null }])
      const failed = { code: 'ERR_SESSION_FAILED', causeCode: error, undone: true }
      expect(await writer.refusal('append', 3)).toMatchObject(failed)
      expect(await writer.refusal('appendAll', [3, 4])).toMatchObject(failed)
      await open(writer, file)
      await writer.ask('append', 5)
      expect(contentOf(file)).toBe('1\n5\n')
    },
  )

  test.skipIf(missing(faultable))('in a repair ends the transcript too', async () => {
    const { worker: writer, file } = await worker()
    await openWithLine(writer, file)
    appendFileSync(file, '\0\0')
    writer.faults.arm({ does: 'fail', call: 'fdatasync', file: 'file' })
    expect(await writer.refusal('append', 2)).toMatchObject({ code: 'ERR_SESSION_SYSTEM', causeSyscall: 'fdatasync' })
    expect(await writer.refusal('append', 3)).toMatchObject({ code: 'ERR_SESSION_FAILED' })
    await open(writer, file)
    await writer.ask('append', 4)
    expect(contentOf(file)).toBe('1\n4\n')
  })

  test.skipIf(missing(faultable))('in a compaction ends the transcript too', async () => {
    const { worker: writer, file } = await worker()
    await openWithLine(writer, file)
    const version = await writer.ask<string>('append', 2)
    // The first one is for the name of the new file, the second for that it has taken the old one's place.
    writer.faults.arm({ does: 'fail', call: 'fsync', file: '.', at: 2 })
    const refusal = { code: 'ERR_SESSION_SYSTEM', causeSyscall: 'fsync', undone: false }
    expect(await writer.refusal('compact', [3], version)).toMatchObject(refusal)
    expect(await writer.refusal('append', 4)).toMatchObject({ code: 'ERR_SESSION_FAILED' })
  })

  test.skipIf(missing(faultable))('lets those who wait behind it hear of it', async () => {
    const { worker: writer, file } = await worker()
    await openWithLine(writer, file)
    writer.faults.arm({ does: 'fail', call: 'fdatasync' })
    const codes = await writer.ask<{ code: string }[]>('appendEach', [2, 3, 4])
    expect(codes.map(({ code }) => code)).toEqual(['ERR_SESSION_SYSTEM', 'ERR_SESSION_FAILED', 'ERR_SESSION_FAILED'])
    expect(contentOf(file)).toBe('1\n')
  })

  test.skipIf(missing(faultable))(
    'and has cost what was acknowledged is noticed when the transcript is opened again, once',
    async () => {
      const { worker: writer, file } = await worker()
      await openWithLine(writer, file)
      await writer.ask('append', 2)
      writer.faults.arm({ does: 'fail', call: 'fdatasync' })
      await writer.refusal('append', 3)
      truncateSync(file, 2) // what the device had
      expect(await writer.refusal('open', file)).toMatchObject({ code: 'ERR_SESSION_DAMAGED' })
      await open(writer, file)
      await writer.ask('append', 4)
      expect(contentOf(file)).toBe('1\n4\n')
    },
  )

  test.skipIf(missing(faultable))('is not taken for harmless where nobody can look at what is left', async () => {
    const { worker: writer, file } = await worker()
    await openWithLine(writer, file)
    await writer.ask('append', 2)
    writer.faults.arm({ does: 'fail', call: 'fdatasync' })
    await writer.refusal('append', 3)
    truncateSync(file, 2)
    // Its first look at the file is the verification.
    writer.faults.arm({ does: 'fail', call: 'open', file: 'file' })
    const refusal = await writer.refusal('open', file)
    expect(refusal.code).toMatch(/^ERR_SESSION_(SYSTEM|DAMAGED)$/)
    if (refusal.code === 'ERR_SESSION_SYSTEM') {
      expect(await writer.refusal('open', file)).toMatchObject({ code: 'ERR_SESSION_DAMAGED' })
    }
  })

  test.skipIf(missing(faultable)).for(['open', 'fsync'])(
    'of the folder of a new file (%s) takes the line back, and the next line waits for it again',
    async (call) => {
      const { worker: writer, file } = await worker()
      await open(writer, file)
      // The first is for the name of the lock file.
      writer.faults.arm({ does: 'fail', call, file: '.', at: 2, error: 'ENOSPC' })
      expect(await writer.refusal('append', 1)).toMatchObject({
        code: 'ERR_SESSION_SYSTEM',
        causeCode: 'ENOSPC',
        undone: true,
      })
      expect(contentOf(file)).toBe('')
      writer.faults.arm()
      await open(writer, file)
      await writer.ask('append', 2)
      expect(writer.faults.calls).toContain('fsync .')
      expect(contentOf(file)).toBe('2\n')
    },
  )
})

test.skipIf(missing(faultable)).for([
  ['open', 'file.hold'],
  ['fdatasync', 'file.hold'],
  ['open', '.'],
  ['fsync', '.'],
] as const)('a lock whose record cannot be put on the device (%s %s) costs no line', async ([call, what]) => {
  const { worker: writer, file } = await worker()
  await openWithLine(writer, file)
  await writer.ask('append', 2) // makes the lock file, if it is not there
  await open(writer, file)
  writer.faults.arm({
    does: 'fail',
    call,
    file: what,
    at: call === 'open' && what === 'file.hold' ? 2 : 1,
    error: 'EIO',
  })
  await writer.ask('append', 3)
  expect(writer.faults.fired()).toBe(1)
  expect(contentOf(file)).toBe('1\n2\n3\n')
})

describe('a call that does a part', () => {
  test.skipIf(missing(faultable))(
    'is made again for the rest: writes and reads of a few bytes lose nothing',
    async () => {
      const { worker: writer, file } = await worker()
      await openWithLine(writer, file)
      const few = (call: string): Fault => ({ does: 'part', call, at: 0, most: 3 })
      writer.faults.arm(few('write'), few('read'))
      await writer.ask('append', 'a line of more than three bytes')
      const version = await writer.ask('version')
      await writer.ask('append', 'another one')
      await writer.ask('compact', ['what both came to'], version)
      await open(writer, file)
      await writer.ask('append', 'and on')
      expect(writer.faults.fired()).toBeGreaterThan(30)
      expect(contentOf(file)).toBe('"what both came to"\n"another one"\n"and on"\n')
      expect(await writer.ask('events')).toEqual([])
    },
  )
})

describe('the threads that write', () => {
  test.skipIf(missing(faultable))('block every signal that can be blocked', async () => {
    const { worker: writer, file } = await worker()
    await open(writer, file)
    const before = await writer.ask<{ id: number }[]>('threads')
    await writer.ask('append', 1)
    const threads = await writer.ask<{ id: number; blocked: string }[]>('threads')
    const added = threads.filter(({ id }) => !before.some((thread) => thread.id === id))
    const ours = threads.filter(({ blocked }) => isEverySignal(blocked))
    expect(ours.length).toBeGreaterThan(0)
    expect(added.filter(({ blocked }) => !isEverySignal(blocked))).toEqual([])
  })
})

/** All but SIGKILL, SIGSTOP, and what the C library keeps for itself (32 to 34). */
function isEverySignal(mask: string): boolean {
  const free = (1n << 8n) | (1n << 18n) | (7n << 31n)
  return (BigInt(`0x${mask}`) | free) === (1n << 64n) - 1n
}
