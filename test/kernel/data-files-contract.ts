// What every change to a data file must do (src/kernel/data-files.ts, native/change.h), as plain functions: they run under
// the test runner, and by a bare script on systems where no test runner runs.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Claim, Report, Wish } from '../../src/kernel/data-files.js'
import type { Lease } from '../../src/kernel/kernel.js'
import { NativeKernel } from '../../src/kernel/native-kernel.js'

export interface DataFilesCase {
  readonly title: string
  /** Why it cannot be shown in this folder; null where it can. */
  readonly obstacle?: (folder: string) => string | null
  /** In an empty folder. */
  readonly run: (folder: string) => Promise<void>
}

const RECORD = 'the record that a hold leaves'

function change(wish: Wish, claim: Claim | null = null): Promise<Report> {
  return kernel().change(wish, claim)
}

let shared: NativeKernel | undefined

function kernel(): NativeKernel {
  shared ??= new NativeKernel()
  return shared
}

function target(file: string) {
  return kernel().locate(file, { strict: false, atOnce: true })
}

function lock(file: string): Lease {
  const answer = kernel().request(target(file), 'exclusive', 'try')
  assert.equal(answer.kind, 'granted')
  assert.ok('lease' in answer)
  return answer.lease
}

/** As another thread or process sees it. */
function isFree(file: string): boolean {
  const other = new NativeKernel()
  const answer = other.request(target(file), 'exclusive', 'try')
  if (answer.kind === 'granted') other.release(answer.lease, null, 0)
  return answer.kind === 'granted'
}

function claim(lease: Lease, ends = false, ending: Uint8Array | null = null): Claim {
  return { lease, ends, ending, prefix: 0 }
}

function append(path: string, text: string, more: Partial<Wish> = {}): Wish {
  return { task: 'append', path, bytes: Buffer.from(text), synced: true, ...more }
}

function content(path: string): string {
  return readFileSync(path, 'latin1')
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/** Wine hands on the numbers of Linux, which come back, and has no time of birth that stays. */
function numbersComeBack(folder: string): string | null {
  if (process.platform !== 'win32') return null
  const path = join(folder, 'numbered')
  const numbers = [1, 2].map(() => {
    writeFileSync(path, '')
    const { ino } = statSync(path, { bigint: true })
    unlinkSync(path)
    return ino
  })
  return numbers[0] === numbers[1] ? 'this system gives the number of a deleted file to the next one' : null
}

export const dataFilesContract: readonly DataFilesCase[] = [
  {
    title: 'an append makes the file, and tells what it was before and is after',
    async run(folder) {
      const path = join(folder, 'file')
      const first = await change(append(path, 'one\n'))
      assert.deepEqual([first.came, first.before, first.after?.size, first.after?.linked], ['done', null, 4, true])
      const second = await change(append(path, 'two\n'))
      assert.deepEqual([second.came, second.before, second.after?.size], ['done', first.after, 8])
      assert.equal(content(path), 'one\ntwo\n')
    },
  },
  {
    title: 'an append sees the last 8192 bytes, unless it knows the file',
    async run(folder) {
      const path = join(folder, 'file')
      const line = `${'x'.repeat(9999)}\n`
      writeFileSync(path, line)
      const report = await change(append(path, 'one\n'))
      assert.equal(text(report.seen), line.slice(-8192))
      const known = await change(append(path, 'two\n', { known: report.after }))
      assert.deepEqual([known.came, known.seen.length], ['done', 0])
    },
  },
  {
    title: 'an append leaves a file alone whose last line has no end, also one that is known by another size',
    async run(folder) {
      const path = join(folder, 'file')
      const { after } = await change(append(path, 'one\n'))
      writeFileSync(path, 'half', { flag: 'a' })
      const report = await change(append(path, 'two\n', { known: after }))
      assert.deepEqual([report.came, text(report.seen), content(path)], ['torn', 'one\nhalf', 'one\nhalf'])
    },
  },
  {
    title: 'an append to an exact file may end its last line, and is refused by any other',
    async run(folder) {
      const path = join(folder, 'file')
      writeFileSync(path, 'half')
      const { before } = await change({ task: 'look', path })
      const known = before
      const done = await change(append(path, '\n', { expected: 'exact', known }))
      assert.deepEqual([done.came, content(path)], ['done', 'half\n'])
      const grown = await change(append(path, 'no', { expected: 'exact', known }))
      assert.deepEqual([grown.came, content(path)], ['differs', 'half\n'])
      const absent = await change(append(path, 'no', { expected: 'absent' }))
      assert.deepEqual([absent.came, content(path)], ['differs', 'half\n'])
      const gone = await change(append(join(folder, 'other'), 'no', { expected: 'exact', known }))
      assert.deepEqual([gone.came, existsSync(join(folder, 'other'))], ['differs', false])
    },
  },
  {
    title: 'another file of the same size at the same path is another file',
    obstacle: numbersComeBack,
    async run(folder) {
      const path = join(folder, 'file')
      const first = await change(append(path, 'one\n'))
      assert.equal((await change({ task: 'remove', path })).came, 'done')
      assert.equal(existsSync(path), false)
      const second = await change(append(path, 'two\n'))
      assert.equal(second.after?.size, first.after?.size)
      const report = await change(append(path, 'no\n', { expected: 'exact', known: first.after }))
      assert.deepEqual([report.came, content(path)], ['differs', 'two\n'])
    },
  },
  {
    title: 'a failure names the call, and a missing folder is one',
    async run(folder) {
      const report = await change(append(join(folder, 'missing', 'file'), 'one\n'))
      assert.equal(report.came, 'failed')
      assert.deepEqual([report.failure?.code, report.failure?.path], ['ENOENT', join(folder, 'missing', 'file')])
      const directory = await change(append(folder, 'one\n'))
      assert.equal(directory.came, 'failed')
    },
  },
  {
    title: 'a cut is made to the exact file only',
    async run(folder) {
      const path = join(folder, 'file')
      const { after } = await change(append(path, 'one\nhalf', { synced: false }))
      const wish: Wish = { task: 'cut', path, expected: 'exact', known: after, from: 4, synced: true }
      const cut = await change(wish)
      assert.deepEqual([cut.came, cut.after?.size, content(path)], ['done', 4, 'one\n'])
      assert.deepEqual([(await change(wish)).came, content(path)], ['differs', 'one\n'])
    },
  },
  {
    title: 'a look reads a part, or the last bytes, and tells where there is no file',
    async run(folder) {
      const path = join(folder, 'file')
      writeFileSync(path, '0123456789')
      const part = await change({ task: 'look', path, from: 3, most: 4 })
      assert.deepEqual([part.came, text(part.seen), part.before?.size], ['done', '3456', 10])
      assert.equal(text((await change({ task: 'look', path, from: 8, most: 4 })).seen), '89')
      assert.equal(text((await change({ task: 'look', path, from: 11, most: 4 })).seen), '')
      assert.equal(text((await change({ task: 'look', path, tail: true, forgetful: true })).seen), '0123456789')
      assert.equal((await change({ task: 'look', path: join(folder, 'none') })).came, 'absent')
    },
  },
  {
    title: 'a replacement is whole, with what the old file had grown by, and leaves nothing beside it',
    async run(folder) {
      const path = join(folder, 'file')
      writeFileSync(path, 'old\n')
      const { before: known } = await change({ task: 'look', path })
      writeFileSync(path, 'grown\n', { flag: 'a' })
      const report = await change({
        task: 'replace',
        path,
        other: join(folder, 'fresh'),
        bytes: Buffer.from('new\n'),
        expected: 'at-least',
        known,
        carries: true,
        from: 4,
        synced: true,
      })
      assert.deepEqual([report.came, report.after?.size, text(report.seen)], ['done', 10, 'new\ngrown\n'])
      assert.equal(content(path), 'new\ngrown\n')
      assert.deepEqual(readdirSync(folder), ['file'])
      assert.deepEqual((await change({ task: 'look', path })).before, report.after)
    },
  },
  {
    title: 'a replacement may be empty',
    async run(folder) {
      const path = join(folder, 'file')
      writeFileSync(path, 'old')
      const wish: Wish = { task: 'replace', path, other: join(folder, 'fresh'), bytes: new Uint8Array(0), synced: true }
      assert.deepEqual([(await change(wish)).came, content(path), readdirSync(folder)], ['done', '', ['file']])
    },
  },
  {
    title: 'a replacement of nothing takes no file’s place',
    async run(folder) {
      const path = join(folder, 'file')
      const wish: Wish = {
        task: 'replace',
        path,
        other: join(folder, 'fresh'),
        bytes: Buffer.from('new'),
        expected: 'absent',
      }
      assert.deepEqual([(await change(wish)).came, content(path), readdirSync(folder)], ['done', 'new', ['file']])
      assert.deepEqual([(await change(wish)).came, content(path), readdirSync(folder)], ['differs', 'new', ['file']])
    },
  },
  {
    title: 'a replacement that was made before is put in place as it is',
    async run(folder) {
      const path = join(folder, 'file')
      const other = join(folder, 'fresh')
      await change(append(other, 'made before\n', { expected: 'absent' }))
      const report = await change({ task: 'replace', path, other, expected: 'absent', synced: true })
      assert.deepEqual([report.came, content(path), readdirSync(folder)], ['done', 'made before\n', ['file']])
    },
  },
  {
    title: 'a replacement of a file that is not as expected leaves it, and nothing beside it',
    async run(folder) {
      const path = join(folder, 'file')
      const { after } = await change(append(path, 'one\n'))
      writeFileSync(path, 'two\n', { flag: 'a' })
      const wish: Wish = {
        task: 'replace',
        path,
        other: join(folder, 'fresh'),
        bytes: Buffer.from('new\n'),
        synced: true,
      }
      assert.equal((await change({ ...wish, expected: 'exact', known: after })).came, 'differs')
      assert.equal((await change({ ...wish, expected: 'absent' })).came, 'differs')
      assert.deepEqual([content(path), readdirSync(folder)], ['one\ntwo\n', ['file']])
    },
  },
  {
    title: 'a replacement never uses a file that was there',
    async run(folder) {
      const path = join(folder, 'file')
      const other = join(folder, 'fresh')
      writeFileSync(other, 'somebody else’s')
      const report = await change({ task: 'replace', path, other, bytes: Buffer.from('new\n') })
      assert.deepEqual(
        [report.came, existsSync(path), readFileSync(other, 'utf8')],
        ['failed', false, 'somebody else’s'],
      )
    },
  },
  {
    title: 'a change under a lease that has ended is lost, and does nothing',
    async run(folder) {
      const path = join(folder, 'file')
      const lease = lock(path)
      kernel().release(lease, null, 0)
      for (const task of ['append', 'replace', 'remove', 'cut'] as const) {
        const report = await change({ ...append(path, 'one\n'), task, other: join(folder, 'fresh') }, claim(lease))
        assert.deepEqual([task, report.came], [task, 'lost'])
      }
      assert.deepEqual(readdirSync(folder), ['file.hold'])
    },
  },
  {
    title: 'a change under a lease past its limit is lost, although nothing ended the lease yet',
    async run(folder) {
      const path = join(folder, 'file')
      const lease = lock(path)
      assert.equal(kernel().limit(lease, 1, null, 0), 'limited')
      const end = performance.now() + 5
      while (performance.now() < end);
      assert.deepEqual([(await change(append(path, 'one\n'), claim(lease))).came, existsSync(path)], ['lost', false])
    },
  },
  {
    title: 'a change that ends the lease frees the lock for others, with its ending in the lock file',
    async run(folder) {
      const path = join(folder, 'file')
      const lease = lock(path)
      kernel().write(lease, Buffer.from('held'))
      const before = await change(append(path, 'one\n'), claim(lease))
      assert.deepEqual([before.came, before.ended, isFree(path)], ['done', false, false])
      const report = await change(append(path, 'two\n'), claim(lease, true, Buffer.from(RECORD)))
      assert.deepEqual([report.came, report.ended, isFree(path)], ['done', true, true])
      assert.equal(content(`${path}.hold`).slice(0, RECORD.length), RECORD)
      assert.equal((await change(append(path, 'three\n'), claim(lease))).came, 'lost')
    },
  },
  {
    title: 'a file that is not as expected keeps the lease, for whoever asked must look first',
    async run(folder) {
      const path = join(folder, 'file')
      writeFileSync(path, 'half')
      const lease = lock(path)
      const torn = await change(append(path, 'one\n'), claim(lease, true))
      assert.deepEqual([torn.came, torn.ended, isFree(path)], ['torn', false, false])
      const differs = await change(append(path, 'one\n', { expected: 'absent' }), claim(lease, true))
      assert.deepEqual([differs.came, differs.ended, isFree(path)], ['differs', false, false])
      kernel().release(lease, null, 0)
      assert.equal(isFree(path), true)
    },
  },
  {
    title: 'a lease that is released while a change is made ends with that: never before, and once',
    async run(folder) {
      const bytes = Buffer.alloc(4 * 1024 * 1024, 'x')
      for (let round = 0; round < 40; round++) {
        const path = join(folder, `file${round}`)
        const lease = lock(path)
        const made = change({ task: 'append', path, bytes }, claim(lease))
        // Now or a moment later: before the change has begun, or in the middle of it.
        const end = performance.now() + (round % 8) / 4
        while (performance.now() < end);
        kernel().release(lease, Buffer.from(RECORD), 0)
        if (isFree(path)) {
          const size = existsSync(path) ? readFileSync(path).length : 0
          const report = await made
          assert.equal(size, report.came === 'done' ? bytes.length : 0, 'nothing is written after the lock is free')
        }
        const report = await made
        assert.ok(report.came === 'done' || report.came === 'lost', report.came)
        assert.equal(existsSync(path), report.came === 'done')
        assert.equal(isFree(path), true)
      }
    },
  },
  {
    title: 'changes of several files are made at once, each by itself',
    async run(folder) {
      const names = Array.from({ length: 40 }, (_, index) => join(folder, `file${index}`))
      const reports = await Promise.all(names.map((path) => change(append(path, `${path}\n`))))
      assert.deepEqual(new Set(reports.map(({ came }) => came)), new Set(['done']))
      for (const path of names) assert.equal(content(path), `${path}\n`)
    },
  },
]
