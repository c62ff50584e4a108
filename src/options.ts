// Arguments in, one checked request out. Every refusal names the option and what was expected. Options are read once,
// as own properties, so that nothing arrives through a prototype; an unknown option is a mistake, not a wish.
import type { AcquiredAt } from './acquired-at.js'
import { boolean, duration, entries, path as pathText, signal, text, timeout } from './arguments.js'
import { OwnerState } from './coordination/owner-state.js'
import { invalidType, invalidValue, outOfRange } from './errors.js'
import type { LockTarget, Mode, Where } from './kernel/kernel.js'
import { Owner } from './owner.js'

export interface AcquireOptions {
  /** `'exclusive'` by default. */
  mode?: 'exclusive' | 'shared' | undefined
  /**
   * Milliseconds until the wait is given up, queueing included; the owner's, or 30,000 by default. 0 makes one try and
   * never queues; `Infinity` waits for ever.
   */
  timeout?: number | undefined
  /** Cancels the wait, not the hold: a wait rejects with the signal's own reason. */
  signal?: AbortSignal | undefined
  /** Who asks: whoever holds the lock with this owner enters at once, and what it holds ends when the owner is closed. */
  owner?: Owner | undefined
  /** What for, for people: shown in records and errors. */
  label?: string | undefined
  /**
   * Milliseconds after which the hold ends by itself, even while the event loop is blocked, but for open guards. The
   * smaller one counts of this and the owner's.
   */
  maxHold?: number | undefined
  /** Whether the hold lasts although nobody can reach its handle any more; false by default. */
  keep?: boolean | undefined
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
  /** Null for a request that is its own owner. */
  readonly owner: OwnerState | null
  readonly label: string | undefined
  readonly maxHold: number
  readonly keep: boolean
  readonly record: boolean
  /** Null where it was not kept. */
  acquiredAt: AcquiredAt | null
}

const DEFAULT_TIMEOUT = 30_000

type OptionName = keyof AcquireOptions
const TRY_ACQUIRE = ['mode', 'owner', 'label', 'maxHold', 'keep', 'lockfile', 'record', 'filesystem'] as const
const ACQUIRE: readonly OptionName[] = [...TRY_ACQUIRE, 'timeout', 'signal']
const ACQUIRE_ALL: readonly OptionName[] = ACQUIRE.filter((name) => name !== 'lockfile')
const INSPECT = ['lockfile'] as const

export type TryAcquireOptions = Pick<AcquireOptions, (typeof TRY_ACQUIRE)[number]>

/** Which lock stands for a path: the engine's business, and asked only after every argument was found good. */
export type Locate = (path: string, where: Where) => LockTarget

export function acquireRequest(locate: Locate, path: unknown, options: unknown): Request {
  const values = read(options, ACQUIRE)
  return request(locate, pathText('path', path), values, values.timeout === 0, ownerOf(values))
}

/** A synchronous try never waits: `timeout` and `signal` mean nothing to it and are refused. */
export function tryRequest(locate: Locate, path: unknown, options: unknown): Request {
  const values = read(options, TRY_ACQUIRE)
  return request(locate, pathText('path', path), values, true, ownerOf(values))
}

export function acquireAllRequests(locate: Locate, paths: unknown, options: unknown): Request[] {
  if (!Array.isArray(paths)) throw invalidType('paths', 'an array of paths', paths)
  const values = read(options, ACQUIRE_ALL)
  const owner = ownerOf(values) ?? new OwnerState('')
  if ((values.timeout ?? owner.timeout) === Infinity) {
    const name = values.timeout === undefined ? "the owner's timeout" : 'options.timeout'
    throw outOfRange(name, 'a finite number of milliseconds', Infinity)
  }
  const texts = paths.map((path, index) => pathText(`paths[${index}]`, path))
  return texts.map((text) => request(locate, text, values, true, owner))
}

export function inspectTarget(locate: Locate, path: unknown, options: unknown): LockTarget {
  return locate(pathText('path', path), {
    lockfile: read(options, INSPECT).lockfile,
    strict: false,
    atOnce: true,
  })
}

function request(
  locate: Locate,
  path: string,
  values: AcquireOptions,
  atOnce: boolean,
  owner: OwnerState | null,
): Request {
  values.signal?.throwIfAborted()
  const file = locate(path, { lockfile: values.lockfile, strict: values.filesystem === 'strict', atOnce })
  owner?.refuseIfClosed(file)
  return {
    file,
    mode: values.mode ?? 'exclusive',
    timeout: values.timeout ?? owner?.timeout ?? DEFAULT_TIMEOUT,
    signal: values.signal,
    owner,
    label: values.label,
    maxHold: Math.min(values.maxHold ?? Infinity, owner?.maxHold ?? Infinity),
    keep: values.keep ?? false,
    record: values.record ?? true,
    acquiredAt: null,
  }
}

function ownerOf({ owner }: AcquireOptions): OwnerState | null {
  return owner === undefined ? null : Owner.stateOf(owner)
}

/** Each option is an own property from the start, so that none is ever looked up on a prototype. */
function none(): AcquireOptions {
  return {
    mode: undefined,
    timeout: undefined,
    signal: undefined,
    owner: undefined,
    label: undefined,
    maxHold: undefined,
    keep: undefined,
    lockfile: undefined,
    record: undefined,
    filesystem: undefined,
  }
}
const NONE: Readonly<AcquireOptions> = none()

function read(options: unknown, allowed: readonly OptionName[]): AcquireOptions {
  if (options === undefined) return NONE
  const values = none()
  for (const [name, value] of entries(options, allowed)) READERS[name](values, value)
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
    values.timeout = timeout('options.timeout', value)
  },
  signal(values, value) {
    values.signal = signal('options.signal', value)
  },
  owner(values, value) {
    if (!(value instanceof Owner)) throw invalidType('options.owner', 'an Owner of this copy of holdfast', value)
    values.owner = value
  },
  label(values, value) {
    values.label = text('options.label', value)
  },
  maxHold(values, value) {
    values.maxHold = duration('options.maxHold', value)
  },
  keep(values, value) {
    values.keep = boolean('options.keep', value)
  },
  lockfile(values, value) {
    values.lockfile = pathText('options.lockfile', value)
  },
  record(values, value) {
    values.record = boolean('options.record', value)
  },
  filesystem(values, value) {
    if (value !== 'any' && value !== 'strict') throw invalidValue('options.filesystem', `'any' or 'strict'`, value)
    values.filesystem = value
  },
}
