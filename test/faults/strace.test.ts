// The same with strace, which is nobody's but the kernel's witness. It shows that the library which causes the faults here
// misses no call; and in the long form it kills by itself, at calls that it counts for each thread.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { inspect } from '../../src/index.js'
import { missing, program, type Capability } from '../helpers/capabilities.js'
import { faultable, RemoteError, Worker } from '../helpers/faults.js'
import { scratch } from '../helpers/scratch.js'
import { all, valuesAfter } from './killed.js'

const LONG = 600_000

/** A container may forbid it. */
const tracing: Capability = {
  name: 'the program strace, and the right to trace',
  there: program('strace').there && spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0,
}

/** What strace calls what the library calls otherwise. */
const NAMES = new Map([
  ['openat', 'open'],
  ['pread64', 'read'],
  ['pwrite64', 'write'],
  ['fadvise64', 'fadvise'],
  ['linkat', 'link'],
  ['renameat', 'rename'],
  ['renameat2', 'rename'],
  ['unlinkat', 'unlink'],
  ['readlinkat', 'readlink'],
])

/** One line of its log as the library would write it; null where it has nothing to do with the folder. */
function callOf(line: string, folder: string): string | null {
  const [, call, rest] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? []
  if (call === undefined || rest === undefined || rest.includes('"/proc/self/fd/')) return null
  const paths = [...rest.matchAll(/["<](\/[^">]*)[">]/g)].map((match) => String(match[1]))
  const ours = paths.filter((path) => path === folder || path.startsWith(`${folder}/`))
  const path = /^(rename|link)/.test(call) ? ours[1] : ours[0]
  if (path === undefined) return null
  const name = path === folder ? '.' : path.slice(folder.length + 1)
  if (call !== 'newfstatat') return `${NAMES.get(call) ?? call} ${name}`
  if (/^\d+</.test(rest)) return `fstat ${name}`
  return `${rest.includes('AT_SYMLINK_NOFOLLOW') ? 'lstat' : 'stat'} ${name}`
}

/** Which names a folder has is asked within the C library, and changes nothing. */
function withoutLists(calls: readonly string[]): string[] {
  const rest = [...calls]
  for (let at = rest.indexOf('fstat .'); at >= 0; at = rest.indexOf('fstat .')) {
    rest.splice(at, 1)
    for (const call of ['open .', 'close .']) rest.splice(rest.indexOf(call), 1)
  }
  return rest.filter((call) => call !== 'getdents64 .')
}

test.skipIf(missing(faultable, tracing))('faults may happen at every call that the kernel sees', async () => {
  const folder = scratch()
  const file = join(folder, 'file')
  const log = join(scratch(), 'log')
  const worker = await Worker.traced(folder, ['-o', log])
  worker.faults.arm()
  await worker.ask('open', file)
  await worker.ask('append', 1)
  const version = await worker.ask('version')
  await worker.ask('append', 2)
  await worker.ask('compact', ['short'], version)
  await worker.ask('delete')
  const { calls } = worker.faults
  await worker.end()
  const seen = readFileSync(log, 'utf8')
    .split('\n')
    .map((line) => callOf(line, folder))
    .filter((call) => call !== null)
  expect(withoutLists(seen).sort()).toEqual(calls.sort())
  expect(seen).toEqual(expect.arrayContaining(['fdatasync file', 'rename file', 'unlink file', 'flock file.hold']))
})

const CALLS = ['openat', 'newfstatat', 'pread64', 'pwrite64', 'write', 'fdatasync', 'fsync', 'flock', 'close', 'fchmod']

/** Answers false when there were fewer calls. */
async function kill(inject: string): Promise<boolean> {
  const folder = scratch()
  const file = join(folder, 'file')
  const paths = [folder, file, `${file}.hold`].flatMap((path) => ['-P', path])
  const worker = await Worker.traced(folder, ['-o', '/dev/null', ...paths, '-e', `inject=${inject}`])
  const acknowledged: number[] = []
  try {
    await worker.ask('open', file)
    for (const value of [1, 2, 3]) {
      await worker.ask('append', value)
      acknowledged.push(value)
    }
    await worker.end()
    return false
  } catch (error) {
    if (!(error instanceof RemoteError && error.code === 'ENDED')) throw error
  }
  expect((await worker.ended).signal).toBe('SIGKILL')
  expect(inspect(file).state).not.toBe('held')
  const possible = [acknowledged, [...acknowledged, acknowledged.length + 1]]
  expect(possible).toContainEqual(await valuesAfter(file))
  return true
}

if (all) {
  for (const call of CALLS) {
    for (const error of ['', 'error=EIO:']) {
      const which = error === '' ? 'once it was made' : 'before it is made'
      test.skipIf(missing(faultable, tracing))(
        `strace may kill a writer at any ${call}, ${which}`,
        { timeout: LONG },
        async () => {
          let at = 1
          while (await kill(`${call}:${error}signal=KILL:when=${at}`)) at++
          expect(at).toBeGreaterThan(1)
        },
      )
    }
  }
}
