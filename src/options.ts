// Arguments in, one checked request out. Every refusal names the option and what was expected. Options are read once,
// as own properties, so that nothing arrives through a prototype; an unknown option is a mistake, not a wish.
import { fileURLToPath } from 'node:url'

import { invalidType, invalidValue, outOfRange } from './errors.js'
import type { LockTarget, Mode, Where } from './kernel/kernel.js'

export interface AcquireOptions {
  /** `'exclusive'` by default. */
  mode?: 'exclusive' | 'shared' | undefined
  /**
   * Milliseconds until the wait is given up, queueing included; 30,000 by default. 0 makes one try and never queues;
   * `Infinity` waits for ever.
   */
  timeout?: number | undefined
  /** Cancels the wait, not the hold: a wait rejects with the signal's own reason. */
  signal?: AbortSignal | undefined
  /** Who asks, for people: shown in records and errors. */
  label?: string | undefined
  /** An exact lock file, instead of the path with `.hold` added. */
  lockfile?: string | undefined
  /** Whether the lock file tells who holds it; true by default. Without it there is no `fence`. */
  record?: boolean | undefined
  /**
   * `'strict'` refuses a filesystem of which nobody can tell whether its locks exclude everybody (FUSE, 9p, virtiofs).
   * By default, `'any'`, such a filesystem is used, and told of once by an event or a warning.
   */
  filesystem?: 'any' | 'strict' | undefined
}

/** What acquireAll() takes: one name for several files makes no sense, and an endless wait could not be undone. */
export type AcquireAllOptions = Omit<AcquireOptions, 'lockfile'>

/** What was asked for, checked and complete. */
export interface Request {
  readonly file: LockTarget
  readonly mode: Mode
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  readonly label: string | undefined
  readonly record: boolean
}

const DEFAULT_TIMEOUT = 30_000

type OptionName = keyof AcquireOptions
const ACQUIRE: readonly OptionName[] = ['mode', 'timeout', 'signal', 'label', 'lockfile', 'record', 'filesystem']
const TRY_ACQUIRE: readonly OptionName[] = ['mode', 'label', 'lockfile', 'record', 'filesystem']
const ACQUIRE_ALL: readonly OptionName[] = ['mode', 'timeout', 'signal', 'label', 'record', 'filesystem']
const INSPECT: readonly OptionName[] = ['lockfile']

/** Which lock stands for a path: the engine's business, and asked only after every argument was found good. */
export type Locate = (path: string, where: Where) => LockTarget

export function acquireRequest(locate: Locate, path: unknown, options: unknown): Request {
  const values = read(options, ACQUIRE)
  return request(locate, pathText('path', path), values, values.timeout === 0)
}

/** A synchronous try never waits: `timeout` and `signal` mean nothing to it and are refused. */
export function tryRequest(locate: Locate, path: unknown, options: unknown): Request {
  return request(locate, pathText('path', path), read(options, TRY_ACQUIRE), true)
}

export function acquireAllRequests(locate: Locate, paths: unknown, options: unknown): Request[] {
  if (!Array.isArray(paths)) throw invalidType('paths', 'an array of paths', paths)
  const values = read(options, ACQUIRE_ALL)
  if (values.timeout === Infinity) throw outOfRange('options.timeout', 'a finite number of milliseconds', Infinity)
  const texts = paths.map((path, index) => pathText(`paths[${index}]`, path))
  return texts.map((text) => request(locate, text, values, true))
}

export function inspectTarget(locate: Locate, path: unknown, options: unknown): LockTarget {
  return locate(pathText('path', path), {
    lockfile: read(options, INSPECT).lockfile,
    strict: false,
    atOnce: true,
  })
}

function request(locate: Locate, path: string, values: AcquireOptions, atOnce: boolean): Request {
  values.signal?.throwIfAborted()
  return {
    file: locate(path, { lockfile: values.lockfile, strict: values.filesystem === 'strict', atOnce }),
    mode: values.mode ?? 'exclusive',
    timeout: values.timeout ?? DEFAULT_TIMEOUT,
    signal: values.signal,
    label: values.label,
    record: values.record ?? true,
  }
}

/** Each option is an own property from the start, so that none is ever looked up on a prototype. */
function none(): AcquireOptions {
  return {
    mode: undefined,
    timeout: undefined,
    signal: undefined,
    label: undefined,
    lockfile: undefined,
    record: undefined,
    filesystem: undefined,
  }
}
const NONE: Readonly<AcquireOptions> = none()

function read(options: unknown, allowed: readonly OptionName[]): AcquireOptions {
  if (options === undefined) return NONE
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidType('options', 'an object', options)
  }
  const values = none()
  for (const [name, value] of Object.entries(options)) {
    const known = allowed.find((option) => option === name)
    if (known === undefined) throw invalidValue('options', `made of ${allowed.join(', ')}`, name)
    if (value !== undefined) READERS[known](values, value)
  }
  return values
}

/** Each checks one option and keeps it. */
const READERS: Record<OptionName, (values: AcquireOptions, value: unknown) => void> = {
  mode(values, value) {
    if (value !== 'exclusive' && value !== 'shared') {
      throw invalidValue('options.mode', `'exclusive' or 'shared'`, value)
    }
    values.mode = value
  },
  timeout(values, value) {
    if (typeof value !== 'number') throw invalidType('options.timeout', 'a number of milliseconds', value)
    if (!(value >= 0)) throw outOfRange('options.timeout', '0 or more milliseconds', value)
    values.timeout = value
  },
  signal(values, value) {
    if (!isAbortSignal(value)) throw invalidType('options.signal', 'an AbortSignal', value)
    values.signal = value
  },
  label(values, value) {
    if (typeof value !== 'string') throw invalidType('options.label', 'a string', value)
    values.label = value
  },
  lockfile(values, value) {
    values.lockfile = pathText('options.lockfile', value)
  },
  record(values, value) {
    if (typeof value !== 'boolean') throw invalidType('options.record', 'a boolean', value)
    values.record = value
  },
  filesystem(values, value) {
    if (value !== 'any' && value !== 'strict') throw invalidValue('options.filesystem', `'any' or 'strict'`, value)
    values.filesystem = value
  },
}

/** By shape, as Node does: a signal may come from another realm. */
function isAbortSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
}

function fileUrlText(name: string, url: URL): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw invalidValue(name, 'a string or a file URL', url.href)
  }
}

function pathText(name: string, value: unknown): string {
  const text = value instanceof URL ? fileUrlText(name, value) : value
  if (typeof text !== 'string') throw invalidType(name, 'a string or a file URL', value)
  if (text === '') throw invalidValue(name, 'a path that is not empty', text)
  if (text.includes('\0')) throw invalidValue(name, 'a path without null bytes', text)
  return text
}
