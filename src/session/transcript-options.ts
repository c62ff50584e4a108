// What a transcript is opened with, and its calls are made with: checked once, refused by name.
import { duration, entries, signal, text, timeout } from '../arguments.js'
import { invalidType, invalidValue, outOfRange } from '../errors.js'
import { Owner } from '../index.js'
import { parseVersion } from './version.js'

/**
 * When append() resolves: when the system has the lines (`none`), or when the device has them, for all that wait with one
 * sync (`batch`), or with a write and a sync for each call (`each`).
 */
export type Durability = 'none' | 'batch' | 'each'

export interface TranscriptOptions {
  /** `batch` by default. */
  durability?: Durability | undefined
  /** Milliseconds that a call waits for its turn, if it does not say; 30,000 by default. */
  timeout?: number | undefined
  /** Milliseconds after which a write that has not begun is given up, for others; 60,000 by default. */
  maxHold?: number | undefined
  /** The most bytes that go out together; 1 MiB by default. A longer call goes out alone. */
  batchBytes?: number | undefined
  /** The most bytes of one value as JSON; 16 MiB by default. */
  lineBytes?: number | undefined
  /** With so many bytes waiting, `full` is true; 16 MiB by default. */
  highWater?: number | undefined
  /** Permissions of a file that is made; 0o600 by default. */
  mode?: number | undefined
  /** An exact lock file, instead of the path with `.hold` added. */
  lockfile?: string | undefined
  /** For records, events and errors; `transcript` by default. */
  label?: string | undefined
}

export interface WaitOptions {
  /** Milliseconds, for the turn to come; 0 waits for nobody else. */
  timeout?: number | undefined
  /** Gives up the place in the queue. A write that has begun is finished. */
  signal?: AbortSignal | undefined
  /** Its closing gives up the place too; and if it holds the lock, the call enters that hold. */
  owner?: Owner | undefined
}

export interface AppendOptions extends WaitOptions {
  /** Refuses with ERR_SESSION_CONFLICT, unless the file is at this version. */
  expect?: string | undefined
}

export interface CompactOptions extends WaitOptions {
  /** What the values were made of. Lines that were appended since are kept after them. */
  expect: string
}

export interface ReadOptions {
  /** Goes on with lines that come later, until the loop is left or the transcript closed. */
  follow?: boolean | undefined
  signal?: AbortSignal | undefined
}

export interface Settings {
  readonly durability: Durability
  readonly timeout: number
  readonly maxHold: number
  readonly batchBytes: number
  readonly lineBytes: number
  readonly highWater: number
  readonly mode: number
  readonly lockfile: string | undefined
  readonly label: string
}

const MEBIBYTE = 1024 * 1024
const DEFAULTS: Settings = {
  durability: 'batch',
  timeout: 30_000,
  maxHold: 60_000,
  batchBytes: MEBIBYTE,
  lineBytes: 16 * MEBIBYTE,
  highWater: 16 * MEBIBYTE,
  mode: 0o600,
  lockfile: undefined,
  label: 'transcript',
}

const OPTIONS = Object.keys(DEFAULTS) as (keyof Settings)[]
const WAIT = ['timeout', 'signal', 'owner'] as const

export function settingsOf(options: unknown): Settings {
  const settings: { -readonly [Name in keyof Settings]: Settings[Name] } = { ...DEFAULTS }
  for (const [name, value] of options === undefined ? [] : entries(options, OPTIONS)) {
    const option = `options.${name}`
    if (name === 'durability') settings.durability = durability(option, value)
    else if (name === 'timeout') settings.timeout = timeout(option, value)
    else if (name === 'maxHold') settings.maxHold = duration(option, value)
    else if (name === 'lockfile' || name === 'label') settings[name] = text(option, value)
    else if (name === 'mode') settings.mode = whole(option, value, 0, 0o777)
    else settings[name] = whole(option, value, 1, Number.MAX_SAFE_INTEGER)
  }
  return settings
}

export function waitOptions(options: unknown): WaitOptions {
  return options === undefined ? {} : waits(entries(options, WAIT))
}

export function appendOptions(options: unknown): AppendOptions {
  if (options === undefined) return {}
  const found = entries(options, [...WAIT, 'expect'])
  return { ...waits(found), expect: expected(found) }
}

export function compactOptions(options: unknown): CompactOptions {
  const found = entries(options, [...WAIT, 'expect'])
  const expect = expected(found)
  if (expect === undefined) throw invalidType('options.expect', 'the version that the values were made of', expect)
  return { ...waits(found), expect }
}

export function readOptions(options: unknown): { follow: boolean; signal: AbortSignal | undefined } {
  const found: { follow: boolean; signal: AbortSignal | undefined } = { follow: false, signal: undefined }
  for (const [name, value] of options === undefined ? [] : entries(options, ['follow', 'signal'])) {
    if (name === 'signal') found.signal = signal('options.signal', value)
    else if (typeof value === 'boolean') found.follow = value
    else throw invalidType('options.follow', 'a boolean', value)
  }
  return found
}

function waits(found: readonly [string, unknown][]): WaitOptions {
  const options: WaitOptions = {}
  for (const [name, value] of found) {
    if (name === 'timeout') options.timeout = timeout('options.timeout', value)
    else if (name === 'signal') options.signal = signal('options.signal', value)
    else if (name === 'owner') options.owner = owner(value)
  }
  return options
}

function owner(value: unknown): Owner {
  if (value instanceof Owner) return value
  throw invalidType('options.owner', 'an Owner of this copy of holdfast', value)
}

function expected(found: readonly [string, unknown][]): string | undefined {
  const value = found.find(([name]) => name === 'expect')?.[1]
  if (value === undefined) return undefined
  parseVersion('options.expect', value)
  return text('options.expect', value)
}

function durability(name: string, value: unknown): Durability {
  if (value === 'none' || value === 'batch' || value === 'each') return value
  throw invalidValue(name, `'none', 'batch' or 'each'`, value)
}

function whole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw outOfRange(name, `a whole number from ${least} to ${most}`, value)
}
