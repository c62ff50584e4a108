// What can go wrong, as a caller sees it. Branch on `code`, never on a message. Errors are recognised across copies of
// the package by a registered symbol, not by their class (isLockError).
//
// A message is safe to print whatever its paths and names have in them: every class makes it visible(). Properties are exact.

const BRAND = Symbol.for('holdfast.LockError')

export type LockErrorCode =
  /** The wait ran out. */
  | 'ERR_LOCK_TIMEOUT'
  /** The hold has ended, and not by its own release(). */
  | 'ERR_LOCK_LOST'
  /** The wait could never have ended: its owner holds what others wait for, and they hold what it asked for. */
  | 'ERR_LOCK_DEADLOCK'
  /** The owner was closed; `cause` is the reason that was given. */
  | 'ERR_LOCK_OWNER_CLOSED'
  /** The filesystem cannot lock. */
  | 'ERR_LOCK_UNSUPPORTED'
  /** The operating system refused; `cause` has its code, errno, syscall and path. */
  | 'ERR_LOCK_SYSTEM'
  /** The native addon could not be loaded. */
  | 'ERR_LOCK_ADDON'
  /** The database that keeps the lock refused, or cannot be reached; `cause` has its code. */
  | 'ERR_LOCK_DATABASE'
  /** The lock table of the database is full. */
  | 'ERR_LOCK_EXHAUSTED'
  /** Two names that this process uses at one time have the same key in the database. */
  | 'ERR_LOCK_COLLISION'

/** One line in which nothing commands a terminal, ends the line or turns it around: such characters are shown as escapes. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, escapeOf)
}

const NAMED = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

function escapeOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const digits = code.toString(16)
  if (code <= 0xff) return NAMED.get(character) ?? `\\x${digits.padStart(2, '0')}`
  return code <= 0xffff ? `\\u${digits.padStart(4, '0')}` : `\\u{${digits}}`
}

export interface LockErrorDetails {
  path?: string | undefined
  lockfile?: string | undefined
  cause?: unknown
}

export class LockError extends Error {
  readonly code: LockErrorCode
  /** What was to be locked: absolute, symlinks in the last component resolved. */
  readonly path: string | undefined
  readonly lockfile: string | undefined

  /** `message` is one line, or the lines of it. */
  constructor(code: LockErrorCode, message: string | readonly string[], details: LockErrorDetails = {}) {
    const lines = typeof message === 'string' ? [message] : message
    super(lines.map(visible).join('\n'), 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.path = details.path
    this.lockfile = details.lockfile
    Object.defineProperty(this, BRAND, { value: true })
  }

  override get name(): string {
    return 'LockError'
  }
}

/** Who held the lock when a wait ran out. A hint for people: no decision rests on it. */
export interface LockHolder {
  pid: number
  /** 0 is the main thread. */
  tid: number
  host: string
  /** The label of its owner; null where it has none. */
  owner: string | null
  label: string | null
  /** Null where the record does not say. */
  since: Date | null
  /** Milliseconds that the hold may last from then on; null without a bound, or where nobody knows. */
  maxHold: number | null
  /** Where it was acquired, as lines of a stack; known only of a hold of this thread, and not of each. */
  acquiredAt: string | null
  /** The holder is this thread of this process. */
  here: boolean
}

/** A process that holds a lock, as the kernel tells. */
export interface ProcessHolder {
  readonly pid: number
  readonly mode: 'exclusive' | 'shared'
}

export class LockTimeoutError extends LockError {
  declare readonly code: 'ERR_LOCK_TIMEOUT'
  /** Null when neither this process nor a record knows. */
  readonly holder: LockHolder | null
  /** The processes that hold it, as the kernel tells (Linux, of this PID namespace); the truth where a record lies. */
  readonly processes: readonly ProcessHolder[]
  /** Milliseconds. */
  readonly waited: number
  /** Place among this thread's waiters for the file, from 1; 0 when it never queued. */
  readonly position: number

  constructor(
    message: string,
    facts: Pick<LockTimeoutError, 'holder' | 'processes' | 'waited' | 'position'>,
    details: LockErrorDetails,
  ) {
    super('ERR_LOCK_TIMEOUT', message, details)
    this.holder = facts.holder
    this.processes = facts.processes
    this.waited = facts.waited
    this.position = facts.position
  }

  override get name(): string {
    return 'LockTimeoutError'
  }
}

export type LostReason =
  /** release() came first. */
  | 'released'
  /** It lasted as long as its `maxHold`. */
  | 'max-hold'
  /** Its owner was closed. */
  | 'owner-closed'
  /** Nobody could reach its handle any more. */
  | 'collected'
  /** releaseAll() ended it. */
  | 'released-all'
  /** The lock file was deleted or replaced under the hold. */
  | 'replaced'
  /** The connection to the database that keeps the lock has ended, or does not answer. */
  | 'connection'

export class LockLostError extends LockError {
  declare readonly code: 'ERR_LOCK_LOST'
  readonly reason: LostReason

  constructor(reason: LostReason, details: LockErrorDetails) {
    super('ERR_LOCK_LOST', `${LOST[reason]}: ${details.path ?? details.lockfile ?? 'lock'}`, details)
    this.reason = reason
  }

  override get name(): string {
    return 'LockLostError'
  }
}

const LOST: Record<LostReason, string> = {
  released: 'The hold was released already',
  'max-hold': 'The hold lasted as long as its maxHold and was ended',
  'owner-closed': 'The hold was ended because its owner was closed',
  collected: 'The hold was ended because its handle was lost',
  'released-all': 'The hold was ended by releaseAll()',
  replaced: 'The hold is lost because its lock file was deleted or replaced',
  connection: 'The hold is lost with the connection to the database that keeps the lock',
}

/** One step of a deadlock: an owner that waits for what the next one has, the last for what the first has. */
export interface DeadlockStep {
  /** The label of the owner; empty for one without a name. */
  owner: string
  /** What it waits for, and how. */
  path: string
  mode: 'exclusive' | 'shared'
}

export class LockDeadlockError extends LockError {
  declare readonly code: 'ERR_LOCK_DEADLOCK'
  /** From the refused request on. */
  readonly cycle: readonly DeadlockStep[]

  constructor(message: string, cycle: readonly DeadlockStep[], details: LockErrorDetails) {
    super('ERR_LOCK_DEADLOCK', message, details)
    this.cycle = cycle
  }

  override get name(): string {
    return 'LockDeadlockError'
  }
}

/** Whether `error` is a LockError of any copy of this package; with `code`, of that code. */
export function isLockError(error: unknown, code: 'ERR_LOCK_TIMEOUT'): error is LockTimeoutError
export function isLockError(error: unknown, code: 'ERR_LOCK_LOST'): error is LockLostError
export function isLockError(error: unknown, code: 'ERR_LOCK_DEADLOCK'): error is LockDeadlockError
export function isLockError(error: unknown, code?: LockErrorCode): error is LockError
export function isLockError(error: unknown, code?: LockErrorCode): boolean {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
  return code === undefined || ('code' in error && error.code === code)
}

type ArgumentCode = 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE'

function withCode<E extends Error>(error: E, code: ArgumentCode): E & { code: ArgumentCode } {
  return Object.assign(error, { code })
}

export function invalidType(name: string, expected: string, actual: unknown): TypeError {
  const received = actual === null ? 'null' : typeof actual
  return withCode(new TypeError(visible(`${name} must be ${expected}; received ${received}`)), 'ERR_INVALID_ARG_TYPE')
}

export function invalidValue(name: string, expected: string, actual: unknown): TypeError {
  const message = `${name} must be ${expected}; received ${shown(actual)}`
  return withCode(new TypeError(visible(message)), 'ERR_INVALID_ARG_VALUE')
}

/** A primitive as it is; of anything else the type only, for its toString() may do as it likes. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  return value === null ? 'null' : typeof value
}

export function outOfRange(name: string, expected: string, actual: number): RangeError {
  return withCode(new RangeError(`${name} must be ${expected}; received ${actual}`), 'ERR_OUT_OF_RANGE')
}
