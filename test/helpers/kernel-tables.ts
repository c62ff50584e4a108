// What the kernel itself says of a lock file and of a process (Linux): who holds, who is blocked, how many threads and
// descriptors. From outside, so the process that is looked at may be stopped, blocked or busy.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'

import type { Capability } from './capabilities.js'
import { until } from './until.js'

export const kernelTables: Capability = {
  name: '/proc/locks and /proc/<pid>/task',
  there: existsSync('/proc/locks') && existsSync('/proc/self/task'),
}

export interface KernelLock {
  readonly pid: number
  readonly mode: 'exclusive' | 'shared'
  /** It waits; otherwise it holds. */
  readonly blocked: boolean
}

/** `1: FLOCK ADVISORY WRITE 812 fe:00:1234 0 EOF`, and `1: -> FLOCK …` for those who wait behind it. */
const LINE = /^\d+: *(->)? *FLOCK +\w+ +(READ|WRITE) +(\d+) +([0-9a-f]+):([0-9a-f]+):(\d+) /

function parse(line: string): (KernelLock & { file: string }) | null {
  const [, arrow, access, pid, major = '', minor = '', inode] = LINE.exec(line) ?? []
  if (inode === undefined) return null
  const file = `${parseInt(major, 16)}:${parseInt(minor, 16)}:${inode}`
  return { pid: Number(pid), mode: access === 'WRITE' ? 'exclusive' : 'shared', blocked: arrow !== undefined, file }
}

type Entry = KernelLock & { file: string }

function readTable(): Entry[] {
  const lines = readFileSync('/proc/locks', 'latin1').split('\n')
  return lines.map(parse).filter((lock) => lock !== null)
}

/**
 * The entries that are asked for. The kernel hands its table out a page at a time, and who locks or unlocks between two
 * pages, in whatever process, makes it repeat an entry or leave one out: so it is read until it says the same twice.
 */
function kernelLocks(asked: (lock: Entry) => boolean): Entry[] {
  let entries = readTable().filter(asked)
  for (let before = ''; before !== JSON.stringify(entries); entries = readTable().filter(asked)) {
    before = JSON.stringify(entries)
  }
  return entries
}

function numberOf(lockfile: string): string {
  const status = statSync(lockfile, { bigint: true, throwIfNoEntry: false })
  if (status === undefined) return 'no file'
  const { dev, ino } = status
  const major = (dev >> 8n) & 0xfffn
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n)
  return `${major}:${minor}:${ino}`
}

export function locksOf(lockfile: string): KernelLock[] {
  const file = numberOf(lockfile)
  return kernelLocks((lock) => lock.file === file)
}

export function holdersOf(lockfile: string): number[] {
  return locksOf(lockfile)
    .filter(({ blocked }) => !blocked)
    .map(({ pid }) => pid)
}

export function waitersOf(lockfile: string): number[] {
  return locksOf(lockfile)
    .filter(({ blocked }) => blocked)
    .map(({ pid }) => pid)
}

/** How many threads of a process are blocked for some lock. */
export function blockedThreads(pid: number): number {
  return kernelLocks((lock) => lock.blocked && lock.pid === pid).length
}

/** Resolves once nobody holds the lock file or waits for it in the kernel. */
export async function nobodyLeft(lockfile: string): Promise<void> {
  await until(`the kernel knows nobody at ${lockfile}`, () => locksOf(lockfile).length === 0)
}

export function threadsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length
}

export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** A process's threads and descriptors, once they do not change any more by themselves. */
export async function baseline(pid: number): Promise<{ threads: number; descriptors: number }> {
  let last = ''
  let same = 0
  await until('the process has settled', () => {
    const now = `${threadsOf(pid)} ${descriptorsOf(pid)}`
    same = now === last ? same + 1 : 0
    last = now
    return same >= 10
  })
  return { threads: threadsOf(pid), descriptors: descriptorsOf(pid) }
}
