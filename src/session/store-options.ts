// What a store is opened with, checked and complete. Every refusal names the option and what was expected.
import { isAbsolute, resolve, sep } from 'node:path'

import { duration, entries, path as pathText, signal, text, timeout } from '../arguments.js'
import { requestFor, type Request } from '../door.js'
import { invalidType, invalidValue, outOfRange } from '../errors.js'
import { StoreText, type Initial, type Validate } from './store-text.js'
import { waitOptions, type WaitOptions } from './transcript-options.js'

export interface StoreOptions<T> {
  /** What a missing file stands for: a value, or what makes one. Without it a missing file is refused, with ENOENT. */
  initial?: T | (() => T) | undefined
  /**
   * Asked for every value that is read or is to be written. Throws or returns false to refuse it: what it refuses is
   * never written, and a file that has it is unreadable.
   */
  validate?: Validate<T> | undefined
  /** As JSON.stringify() takes it: a number of spaces, or a text of white space. */
  indent?: number | string | undefined
  /** Permissions of a file that is made; 0o600 by default. A file that is there keeps its own, and its owner. */
  mode?: number | undefined
  /** `'batch'`, the default: an update resolves when it is on the device. `'none'`: when the system has it. */
  durability?: 'none' | 'batch' | undefined
  /** Milliseconds that an update waits at most, for updates that name none and have no owner with one; 30,000 by default. */
  timeout?: number | undefined
  /** Of the lock, for people; `'store'` by default. */
  label?: string | undefined
  /** Milliseconds after which the lock goes free although an update has not ended; 60,000 by default. */
  maxHold?: number | undefined
  /** An exact lock file, instead of the file's name with `.hold` added. */
  lockfile?: string | undefined
  /**
   * What becomes of a file that is not JSON, or that `validate` refuses. `'refuse'`, the default: it is left as it is, and
   * whatever needs it rejects. `'start-anew'`: its bytes are copied to `<file>.corrupt-<time>` and `initial` takes its place.
   */
  onUnreadable?: 'refuse' | 'start-anew' | undefined
}

export interface WatchOptions {
  /** Ends it. */
  signal?: AbortSignal | undefined
}

/** What updateJson() takes. */
export type UpdateJsonOptions<T> = StoreOptions<T> & WaitOptions

export interface StoreSettings<T> {
  /** Absolute, links not followed. */
  readonly path: string
  /** What updates queue for. */
  readonly request: Request
  readonly text: StoreText<T>
  readonly mode: number
  readonly synced: boolean
  readonly label: string
  readonly maxHold: number
  readonly lockfile: string | undefined
  /** Whether an unreadable file is put aside. */
  readonly anew: boolean
}

const MOST_INDENT = 10
const LONGEST_HOLD = 60_000
const PRIVATE = 0o600
const MOST_MODE = 0o777

const STORE = [
  'initial',
  'validate',
  'indent',
  'mode',
  'durability',
  'timeout',
  'label',
  'maxHold',
  'lockfile',
  'onUnreadable',
] as const
const WAIT = ['timeout', 'signal', 'owner'] as const

export function storeSettings<T>(file: unknown, options: unknown): StoreSettings<T> {
  return settings(pathText('file', file), new Map(options === undefined ? [] : entries(options, STORE)))
}

/** A store's, and those of its one update. */
export function updateJsonSettings<T>(file: unknown, options: unknown): { store: StoreSettings<T>; wait: WaitOptions } {
  const found = options === undefined ? [] : entries(options, [...STORE, ...WAIT])
  const isOfWait = ([name]: [string, unknown]): boolean => WAIT.some((wait) => wait === name)
  const wait = waitOptions(Object.fromEntries(found.filter(isOfWait)))
  return { store: settings(pathText('file', file), new Map(found)), wait }
}

export function watchOptions(options: unknown): WatchOptions {
  const found: WatchOptions = {}
  for (const [, value] of options === undefined ? [] : entries(options, ['signal'])) {
    found.signal = signal('options.signal', value)
  }
  return found
}

function settings<T>(file: string, values: ReadonlyMap<string, unknown>): StoreSettings<T> {
  const path = absolute(file)
  const label = text('options.label', values.get('label') ?? 'store')
  const maxHold = duration('options.maxHold', values.get('maxHold') ?? LONGEST_HOLD)
  const lockfile = values.get('lockfile')
  const wait = values.get('timeout')
  const where = lockfile === undefined ? undefined : absolute(pathText('options.lockfile', lockfile))
  const most = wait === undefined ? undefined : timeout('options.timeout', wait)
  const initial = values.get('initial')
  const anew = oneOf('options.onUnreadable', values.get('onUnreadable') ?? 'refuse', ['refuse', 'start-anew'])
  if (anew === 'start-anew' && initial === undefined) {
    throw invalidValue('options.initial', `given with onUnreadable 'start-anew'`, initial)
  }
  return {
    path,
    label,
    maxHold,
    lockfile: where,
    mode: integer('options.mode', values.get('mode') ?? PRIVATE, MOST_MODE),
    synced: oneOf('options.durability', values.get('durability') ?? 'batch', ['none', 'batch']) === 'batch',
    anew: anew === 'start-anew',
    text: new StoreText(path, {
      initial: initial as Initial<T> | undefined,
      validate: validateOf(values.get('validate')),
      indent: indentOf(values.get('indent')),
    }),
    request: requestFor(path, { label, lockfile: where, timeout: most }),
  }
}

/**
 * For as long as the store lives, wherever the process goes meanwhile. `..` is left to the system, which goes up from where
 * a linked folder really is.
 */
function absolute(path: string): string {
  if (!path.split(/[\\/]/).includes('..')) return resolve(path)
  return isAbsolute(path) ? path : process.cwd() + sep + path
}

function validateOf<T>(value: unknown): Validate<T> | undefined {
  if (value !== undefined && typeof value !== 'function') throw invalidType('options.validate', 'a function', value)
  return value as Validate<T> | undefined
}

function indentOf(value: unknown): number | string | undefined {
  if (typeof value === 'string') {
    if (/^[ \t\r\n]{0,10}$/.test(value)) return value
    throw invalidValue('options.indent', `at most ${MOST_INDENT} characters of white space`, value)
  }
  return value === undefined ? undefined : integer('options.indent', value, MOST_INDENT)
}

function integer(name: string, value: unknown, most: number): number {
  if (typeof value !== 'number') throw invalidType(name, 'an integer', value)
  if (!(Number.isInteger(value) && value >= 0 && value <= most)) {
    throw outOfRange(name, `an integer from 0 to ${most}`, value)
  }
  return value
}

function oneOf<Word extends string>(name: string, value: unknown, words: readonly Word[]): Word {
  const found = words.find((word) => word === value)
  if (found === undefined) throw invalidValue(name, words.map((word) => `'${word}'`).join(' or '), value)
  return found
}
