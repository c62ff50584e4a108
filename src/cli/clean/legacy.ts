// Leftovers of protocols where the existence of a `.lock` is the lock. Nothing but a guess can tell whether such a lock is
// held: a process id that may be of another container, or an age. So each is judged the way its own protocol judges, more
// carefully; what is not known for certain to be of such a protocol is left alone, for package managers keep data in
// `.lock` files.
import { lstatSync, readdirSync, readFileSync, rmdirSync, unlinkSync, type Stats } from 'node:fs'

import { inspect, tryAcquire } from '../../index.js'
import { duration } from '../report/duration.js'
import { isAlive, ticksOf } from '../report/processes.js'
import type { Finding, Removal } from './finding.js'

const SUFFIX = '.lock'
/** What is longer is no lock file. */
const MOST_BYTES = 65_536

/** Null where it is of no such protocol. `olderThan`, in milliseconds, is for those without a process id. */
export function judgeLegacy(path: string, olderThan: number, now: number): Finding | null {
  try {
    const stats = lstatSync(path)
    if (stats.isDirectory()) return judgeFolder(path, stats, olderThan, now)
    if (!stats.isFile() || stats.size > MOST_BYTES) return null
    return stats.size === 0 ? judgeEmpty(path, stats, olderThan, now) : judgeProcessId(path)
  } catch {
    return null
  }
}

/** proper-lockfile and its like: an empty folder, which its holder touches every few seconds. */
function judgeFolder(path: string, stats: Stats, olderThan: number, now: number): Finding | null {
  if (readdirSync(path).length > 0) return null
  const age = now - stats.mtimeMs
  const why = `a folder as of proper-lockfile, not touched for ${duration(age)}`
  const finding = { path, kind: 'folder', why, pid: null } as const
  if (age < olderThan) return { ...finding, reason: 'recent', remove: null }
  return {
    ...finding,
    reason: 'old',
    remove: () => (isUntouched(path, stats) ? gone(() => rmdirSync(path)) : 'changed'),
  }
}

/** lockfile and its like. The same file may be one that flock(1) locks, so it is removed only under that lock. */
function judgeEmpty(path: string, stats: Stats, olderThan: number, now: number): Finding {
  const age = now - Math.max(stats.mtimeMs, stats.ctimeMs)
  const finding = { path, kind: 'empty-file', pid: null } as const
  if (inspect(path, { lockfile: path }).state === 'held') {
    return { ...finding, reason: 'held', why: 'an empty file, and somebody holds its kernel lock', remove: null }
  }
  const why = `an empty file as of lockfile, ${duration(age)} old`
  if (age < olderThan) return { ...finding, reason: 'recent', why, remove: null }
  const remove = (): Removal => {
    return locked(path, path, () => (isUntouched(path, stats) ? gone(() => unlinkSync(path)) : 'changed'))
  }
  return { ...finding, reason: 'old', why, remove }
}

/** Gateways and their like: JSON with the id of the process that made it. One that lives is never overruled, however old. */
function judgeProcessId(path: string): Finding | null {
  const text = readFileSync(path, 'utf8')
  const { pid, starttime } = fieldsOf(text)
  if (pid === null) return null
  const finding = { path, kind: 'process-id', pid } as const
  const recycled = isAlive(pid) && starttime !== null && ticksOf(pid) !== null && ticksOf(pid) !== starttime
  if (isAlive(pid) && !recycled) {
    return { ...finding, reason: 'live-pid', why: `made by ${pid}, which lives`, remove: null }
  }
  const why = recycled ? `made by an earlier process ${pid}` : `made by ${pid}, which is not there`
  const remove = (): Removal => {
    const removeSame = (): Removal => {
      return readFileSync(path, 'utf8') === text ? gone(() => unlinkSync(path)) : 'changed'
    }
    // A gateway that uses both protocols has the kernel's lock while it makes such a file.
    const target = path.slice(0, -SUFFIX.length)
    const kernels = `${target}.hold`
    return isThere(kernels) ? locked(target, kernels, removeSame) : removeSame()
  }
  return { ...finding, reason: recycled ? 'recycled-pid' : 'dead-pid', why, remove }
}

function fieldsOf(text: string): { pid: number | null; starttime: number | null } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { pid: null, starttime: null }
  }
  const fields = new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])
  const pid = fields.get('pid')
  const starttime = fields.get('starttime')
  return {
    pid: typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 0 ? pid : null,
    starttime: typeof starttime === 'number' ? starttime : null,
  }
}

function locked(path: string, lockfile: string, work: () => Removal): Removal {
  const hold = tryAcquire(path, { lockfile, record: false, label: 'holdfast clean' })
  if (hold === null) return 'busy'
  try {
    return work()
  } finally {
    hold.release()
  }
}

function isUntouched(path: string, { ino, mtimeMs, size }: Stats): boolean {
  const now = lstatSync(path)
  return now.ino === ino && now.mtimeMs === mtimeMs && now.size === size
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function gone(remove: () => void): Removal {
  remove()
  return 'removed'
}
