// The lock files of old gateways: `<file>.lock`, whose existence is the lock. What is in one, whether whoever made it is
// gone, and how one is made and removed. Everything here is a guess or a race by nature, which is why holdfast does not
// lock so; that no two new processes race is up to the caller, who holds the kernel's lock.
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import { processFacts } from './processes.js'

/** One that was found. */
export interface LegacyFile {
  readonly path: string
  /** Its content; null where it is not a plain file that can be read. */
  readonly text: string | null
  readonly modified: number
  readonly pid: number | null
  readonly createdAt: Date | null
  readonly starttime: number | null
}

export interface Judgement {
  readonly pidAlive: boolean
  readonly ageMs: number | null
  /** In the words of the field; empty where somebody may hold it. */
  readonly staleReasons: string[]
}

/** Its maker writes right after making it. One that says nothing after so long was made by a process that died there. */
const UNWRITTEN_MS = 5_000
const MOST_BYTES = 65_536
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants
/** Whatever stands there: it follows no link, waits for nobody and takes no terminal. */
const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY

/** Null where there is none. Waits for nobody: not for who writes to a FIFO, nor for who has a lease on the file. */
export function readLegacyFile(path: string): LegacyFile | null {
  let descriptor: number | null = null
  try {
    descriptor = openSync(path, READ)
    const stat = fstatSync(descriptor)
    const text = stat.isFile() && stat.size <= MOST_BYTES ? readFileSync(descriptor, 'utf8') : null
    return { path, text, modified: stat.mtimeMs, ...payloadOf(text) }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    return { path, text: null, modified: Date.now(), ...payloadOf(null) }
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

/** `staleMs`: the age from which on a living process counts as having forgotten it. */
export function judge(file: LegacyFile, staleMs: number, now: number): Judgement {
  const facts = file.pid === null ? null : processFacts(file.pid)
  const ageMs = file.createdAt === null ? null : Math.max(0, now - file.createdAt.getTime())
  const staleReasons: string[] = []
  if (facts === null) staleReasons.push('missing-pid')
  else if (!facts.alive) staleReasons.push('dead-pid')
  else if (isAnother(facts.starttime, file.starttime)) staleReasons.push('recycled-pid')
  if (ageMs === null) staleReasons.push('invalid-createdAt')
  else if (ageMs > staleMs) staleReasons.push('too-old')
  return { pidAlive: facts?.alive ?? false, ageMs, staleReasons }
}

/** Whether nobody can be writing it any more. What is no plain file is none of ours to judge. */
export function isWritten(file: LegacyFile): boolean {
  if (file.text === null) return false
  return (file.pid !== null && file.createdAt !== null) || Math.abs(Date.now() - file.modified) > UNWRITTEN_MS
}

/** Removes the very file that was judged, unless another has taken its place. True when it is gone by our doing. */
export function removeLegacyFile({ path, text }: LegacyFile): boolean {
  if (text === null || readLegacyFile(path)?.text !== text) return false
  rmSync(path)
  return true
}

/** False when there is one already. */
export function makeLegacyFile(path: string, text: string): boolean {
  let descriptor: number
  try {
    descriptor = openSync(path, 'wx')
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
  try {
    writeFileSync(descriptor, text)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
  return true
}

/** What old gateways read: who they wait for, and for how long at most. */
export function legacyPayload(maxHoldMs: number): string {
  const { starttime } = processFacts(process.pid)
  return JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString(), maxHoldMs, starttime }, null, 2)
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function isAnother(now: number | null, then: number | null): boolean {
  return now !== null && then !== null && now !== then
}

function payloadOf(text: string | null): Pick<LegacyFile, 'pid' | 'createdAt' | 'starttime'> {
  const fields = fieldsOf(text)
  const pid = wholeNumber(fields.get('pid'))
  const created = fields.get('createdAt')
  const createdAt = new Date(typeof created === 'string' || typeof created === 'number' ? created : NaN)
  return {
    pid: pid === 0 ? null : pid,
    createdAt: Number.isNaN(createdAt.getTime()) ? null : createdAt,
    starttime: wholeNumber(fields.get('starttime')),
  }
}

function fieldsOf(text: string | null): ReadonlyMap<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
  } catch {
    return new Map()
  }
}

function wholeNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}
