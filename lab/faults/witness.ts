// strace as a witness, which is nobody's but the kernel's: every call of an operation that it sees is one that the library
// counts, so faults may happen at each of them.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

import { Lane } from './lane.js'
import { OPERATIONS } from './operations.js'
import { LISTING } from './plan.js'
import type { Task } from './subject.js'
import { titleOf } from './table.js'

/** What strace calls what the library calls otherwise. */
const NAMES = new Map([
  ['pread64', 'read'],
  ['pwrite64', 'write'],
  ['readlinkat', 'readlink'],
])

/** One line of the log as the library would write it; null where it has nothing to do with the folder. */
function callOf(text: string, folder: string): string | null {
  const [, call, rest] = /^(\w+)\((.*)$/.exec(text) ?? []
  if (call === undefined || rest === undefined || rest.includes('"/proc/self/fd/')) return null
  const [, path] = /"(\/[^"]*)"/.exec(rest) ?? /<(\/[^>]*)>/.exec(rest) ?? []
  if (path !== folder && path?.startsWith(`${folder}/`) !== true) return null
  return `${nameOf(call, rest)} ${path === folder ? '.' : path.slice(folder.length + 1)}`
}

function nameOf(call: string, rest: string): string {
  if (call === 'openat' || call === 'open') return rest.includes('O_CREAT') ? 'create' : 'open'
  if (call === 'flock') {
    if (rest.includes('LOCK_UN')) return 'unlock'
    return rest.includes('LOCK_NB') ? 'flock-try' : 'flock-wait'
  }
  if (call !== 'newfstatat') return NAMES.get(call) ?? call
  if (/^\d+</.test(rest)) return 'fstat'
  return rest.includes('AT_SYMLINK_NOFOLLOW') ? 'lstat' : 'stat'
}

interface Line {
  readonly thread: string
  readonly text: string
}

/** The threads of the first process: its peer is one of its own, and no fault happens to that. */
function threadsOf(lines: readonly Line[]): Set<string> {
  const ours = new Set([lines[0]?.thread ?? ''])
  const cloning = new Set<string>()
  for (const { thread, text } of lines) {
    if (!ours.has(thread) || !text.includes('clone')) continue
    if (text.includes('CLONE_THREAD')) cloning.add(thread)
    const [, born] = /= (\d+)$/.exec(text) ?? []
    if (born !== undefined && cloning.delete(thread)) ours.add(born)
  }
  return ours
}

/** What the kernel saw between each arming and its disarming, which are writes to the control file. */
function windowsOf(log: string, folder: string): string[][] {
  const lines = log.split('\n').flatMap((line): Line[] => {
    const [, thread, text] = /^(\d+) +(.*)$/.exec(line) ?? []
    return thread === undefined || text === undefined ? [] : [{ thread, text }]
  })
  const ours = threadsOf(lines)
  const windows: string[][] = []
  let open: string[] | null = null
  for (const { thread, text } of lines) {
    if (!ours.has(thread)) continue
    const [, armed] = /^pwrite64\(\d+<[^>]*\/control>, "\\([01])\\0\\0\\0", 4, 0/.exec(text) ?? []
    if (armed === '1') windows.push((open = []))
    if (armed === '0') open = null
    const call = callOf(text, folder)
    if (call !== null) open?.push(call)
  }
  return windows
}

/** A call that is under way while it is armed may be in one of the lists only: once, they must be the same. */
const TIMES = 8

function taskOf(operation: string, distant: boolean): Task {
  return { operation, distant, family: 'files', error: 'EIO', times: 0, most: 0, only: LISTING }
}

/** In any order. Of a call that another thread interrupts, strace does not tell in one line whether it follows links. */
function alike(seen: readonly string[], calls: readonly string[]): boolean {
  const [one, other] = [seen, calls].map((list) => list.map((call) => call.replace('lstat ', 'stat ')).sort())
  return one?.join() === other?.join()
}

/** What a container may forbid. */
export function traces(): boolean {
  return spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0
}

/** Prints each operation of which the kernel has seen another call than the library; answers how many there are of both. */
export async function witness(library: string, folder: string): Promise<{ passed: number; failed: number }> {
  const log = `${folder}.log`
  const lane = await Lane.traced(library, folder, log)
  const tasks = OPERATIONS.flatMap(({ name }) => [taskOf(name, false), taskOf(name, true)])
  const told: { task: Task; calls: string[] }[] = []
  try {
    for (const task of tasks) {
      for (let time = 0; time < TIMES; time++) {
        const cases = await lane.sweep(task)
        if (typeof cases === 'string') throw new Error(`${titleOf(task)}: the process ended (${cases})`)
        told.push({ task, calls: cases.map(({ call }) => call) })
      }
    }
  } finally {
    await lane.end()
  }
  const windows = windowsOf(readFileSync(log, 'utf8'), lane.folder)
  const same = told.map(({ calls }, index) => calls.length > 0 && alike(windows[index] ?? [], calls))
  const failures = tasks.filter((task) => !told.some((one, index) => one.task === task && same[index]))
  for (const task of failures) {
    const first = told.findIndex((one) => one.task === task)
    const [seen = [], calls = []] = [windows[first], told[first]?.calls]
    console.log(`FAILED: ${titleOf(task)}\n  the kernel:  ${seen.join(', ')}\n  the library: ${calls.join(', ')}`)
  }
  return { passed: tasks.length - failures.length, failed: failures.length }
}
