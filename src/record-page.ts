// The record as bytes: what an exclusive grant reads and writes.
//
// The state has a slot of fixed place and width, so that whoever ends a hold can stamp the ending with one small write and
// without composing JSON. Fence and time have fixed places too, so that a grant after a clean release neither parses nor
// composes.
import { Buffer } from 'node:buffer'

import { MAGIC, parseRecord, RECORD_SIZE, threadId, type LockRecord } from './record.js'
import { fs, os } from './kernel/late.js'

/** What stands before the state's slot. */
export const RECORD_PREFIX = `${MAGIC}1,`
const SLOT_SIZE = 48
const FREE_STAMP = '"state":"free",'.padEnd(SLOT_SIZE)
const HELD_STAMP = '"state":"held",'.padEnd(SLOT_SIZE)
/** Numbers are padded to the digits of the largest safe integer. */
const NUMBER_SIZE = 16
/** Of texts, quoted and escaped. A record that is written again may be of any origin. */
const HOST_SIZE = 80
const OWNER_SIZE = 80
const BOOT_SIZE = 40
const PIDNS_SIZE = 24
const FENCE_KEY = '"fence":'
const SINCE_KEY = '"since":'
const FENCE_AT = RECORD_PREFIX.length + SLOT_SIZE + FENCE_KEY.length
const SINCE_AT = FENCE_AT + NUMBER_SIZE + 1 + SINCE_KEY.length

export const UNREADABLE = 'the lock file cannot be read'

/** The first bytes of a lock file. One page a thread: what is in it counts until the next read. */
export const page = Buffer.alloc(RECORD_SIZE)

/** What the next holder must know of the last exclusive one. */
export interface LastHold {
  /** Why the file cannot carry a record; null when it is empty, or has one already. */
  readonly obstacle: string | null
  /** Null when it was released, or when there is no record. */
  readonly unfinished: LockRecord | null
  readonly fence: number | null
}

/** Reads the page, of which the first `length` bytes were in the file; below zero, they could not be read. */
export function lastHold(length: number): LastHold {
  if (length === RECORD_SIZE && begins(RELEASED)) {
    return { obstacle: null, unfinished: null, fence: readNumber(FENCE_AT) }
  }
  if (length < 0) return { obstacle: UNREADABLE, unfinished: null, fence: null }
  const record = parseRecord(page.toString('latin1', 0, length))
  const recordable = length === 0 || (length >= MAGIC.length && begins(MAGIC_BYTES))
  return {
    obstacle: recordable ? null : 'the lock file has content of somebody else',
    unfinished: record === null || record.state === 'free' ? null : record,
    fence: record?.fence ?? null,
  }
}

/** What a record tells of a hold, besides its time and fence. */
export interface Signature {
  readonly owner: string | null
  readonly label: string | undefined
  /** Milliseconds. */
  readonly maxHold: number
}

/**
 * The record of a hold that begins now, with the last fence that may be handed out. Long labels are cut. What is
 * answered counts until the next call.
 */
export function composeRecord(hold: Signature, since: number, fence: number): Buffer {
  const record = templateFor(hold)
  writeNumber(record, FENCE_AT, fence)
  writeNumber(record, SINCE_AT, since)
  return record
}

/** Does the slow part of composeRecord() beforehand: a wait has time for it, the grant at its end has not. */
export function prepareRecord(hold: Signature): void {
  templateFor(hold)
}

/** The record of an earlier hold once more, for the next one to be told of, with the last fence that may be in use. */
export function recordAgain(record: LockRecord, fence: number): Buffer {
  const { owner, label, maxHold, state, reason } = record
  const hold = { owner, label: label ?? undefined, maxHold: maxHold ?? Infinity }
  const bytes = composeTemplate(hold, state === 'revoked' ? revokedStamp(reason) : HELD_STAMP, holderOf(record))
  writeNumber(bytes, FENCE_AT, fence)
  writeNumber(bytes, SINCE_AT, Math.max(0, record.since.getTime()))
  return bytes
}

/** The record up to its slot, of a hold that ended: released when `reason` is null, revoked otherwise. */
export function ending(reason: string | null): Buffer {
  return reason === null ? RELEASED : Buffer.from(RECORD_PREFIX + revokedStamp(reason), 'latin1')
}

function revokedStamp(reason: string | null): string {
  const key = '"state":"revoked","reason":'
  return `${key}${textThatFits(reason, SLOT_SIZE - key.length - 1)},`.padEnd(SLOT_SIZE)
}

/** The record of a hold of this thread that was revoked. */
export function revokedRecord(hold: Signature, since: number, fence: number | null, reason: string): LockRecord | null {
  const record = parseRecord(composeRecord(hold, since, 0).toString('latin1'))
  return record === null ? null : { ...record, state: 'revoked', reason, fence }
}

const MAGIC_BYTES = Buffer.from(MAGIC, 'latin1')
const RELEASED = Buffer.from(RECORD_PREFIX + FREE_STAMP, 'latin1')

function begins(bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index++) if (page[index] !== bytes[index]) return false
  return true
}

const SPACE = 0x20
const ZERO = 0x30

/** Half of a padded number fits a 32-bit integer, which is what makes the loops below cheap. */
const HALF_SIZE = NUMBER_SIZE / 2
const HALF = 10 ** HALF_SIZE

/** Right-aligned, with spaces in front: JSON allows them before a number. */
function writeNumber(record: Buffer, at: number, value: number): void {
  const upper = Math.floor(value / HALF)
  writeDigits(record, at, upper, SPACE)
  writeDigits(record, at + HALF_SIZE, value - upper * HALF, upper === 0 ? SPACE : ZERO)
  if (value === 0) record[at + NUMBER_SIZE - 1] = ZERO
}

function writeDigits(record: Buffer, at: number, value: number, pad: number): void {
  let rest = value | 0
  for (let index = at + HALF_SIZE - 1; index >= at; index--) {
    record[index] = rest === 0 ? pad : ZERO + (rest % 10)
    rest = (rest / 10) | 0
  }
}

/** Null for anything but digits behind spaces. */
function readNumber(at: number): number | null {
  const upper = readDigits(at, true)
  const lower = readDigits(at + HALF_SIZE, page[at + HALF_SIZE - 1] === SPACE)
  return upper === null || lower === null ? null : upper * HALF + lower
}

function readDigits(at: number, padded: boolean): number | null {
  let padding = padded
  let value = 0
  for (let index = at; index < at + HALF_SIZE; index++) {
    const byte = page[index] ?? SPACE
    if (byte === SPACE && padding) continue
    padding = false
    if (byte < ZERO || byte > ZERO + 9) return null
    value = (value * 10 + (byte - ZERO)) | 0
  }
  return value
}

let lastHolder: Signature | undefined
let lastTemplate: Buffer | undefined

/** A record without its numbers. Lanes sign with few names, often the same one again. */
function templateFor({ owner, label, maxHold }: Signature): Buffer {
  const same = lastHolder?.label === label && lastHolder?.owner === owner && lastHolder.maxHold === maxHold
  if (lastTemplate === undefined || !same) {
    lastHolder = { owner, label, maxHold }
    lastTemplate = composeTemplate(lastHolder, HELD_STAMP, thisHolder())
  }
  return lastTemplate
}

function composeTemplate({ owner, label, maxHold }: Signature, stamp: string, holder: string): Buffer {
  const blank = ' '.repeat(NUMBER_SIZE)
  const numbers = `${FENCE_KEY}${blank},${SINCE_KEY}${blank},`
  const bound = maxHold === Infinity ? '' : `,"maxHold":${maxHold}`
  const names = `${bound},"owner":${textThatFits(owner, OWNER_SIZE)},"label":`
  const start = `${RECORD_PREFIX}${stamp}${numbers}${holder}${names}`
  const room = RECORD_SIZE - 2 - start.length
  return Buffer.from(`${(start + textThatFits(label ?? null, room) + '}').padEnd(RECORD_SIZE - 1)}\n`, 'latin1')
}

/** As JSON, cut to at most `room` characters. */
function textThatFits(text: string | null, room: number): string {
  let json = asciiJson(text)
  for (let length = Math.min(text?.length ?? 0, room); json.length > room && length > 0; length >>= 1) {
    json = asciiJson(text?.slice(0, length) ?? null)
  }
  return json
}

function asciiJson(value: string | null): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The fields that are the same for every hold of this thread. */
function thisHolder(): string {
  holder ??= holderOf({
    pid: process.pid,
    tid: threadId(),
    host: os().hostname(),
    boot: bootId(),
    pidns: pidNamespace(),
  })
  return holder
}
let holder: string | undefined

type Holder = Pick<LockRecord, 'pid' | 'tid' | 'host' | 'boot' | 'pidns'>

function holderOf({ pid, tid, host, boot, pidns }: Holder): string {
  const where = `"boot":${textThatFits(boot, BOOT_SIZE)},"pidns":${textThatFits(pidns, PIDNS_SIZE)}`
  return `"pid":${pid},"tid":${tid},"host":${textThatFits(host, HOST_SIZE)},${where}`
}

export function bootId(): string | null {
  try {
    return fs().readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return null
  }
}

function pidNamespace(): string | null {
  try {
    return /\[(\d+)\]/.exec(fs().readlinkSync('/proc/self/ns/pid'))?.[1] ?? null
  } catch {
    return null
  }
}
