// What can go wrong, as a caller sees it. Branch on `code`, never on a message. Errors are recognised across copies of
// the package by a registered symbol, not by their class (isLockError).

const BRAND = Symbol.for('holdfast.LockError')

export type LockErrorCode =
  /** The wait ran out. */
  | 'ERR_LOCK_TIMEOUT'
  /** The hold has ended, and not by its own release(). */
  | 'ERR_LOCK_LOST'
  /** The filesystem cannot lock. */
  | 'ERR_LOCK_UNSUPPORTED'
  /** The operating system refused; `cause` has its code, errno, syscall and path. */
  | 'ERR_LOCK_SYSTEM'
  /** The native addon could not be loaded. */
  | 'ERR_LOCK_ADDON'

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

  constructor(code: LockErrorCode, message: string, details: LockErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
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
  label: string | null
  /** Null where the record does not say. */
  since: Date | null
  /** The holder is this thread of this process. */
  here: boolean
}

export class LockTimeoutError extends LockError {
  declare readonly code: 'ERR_LOCK_TIMEOUT'
  /** Null when neither this process nor a record knows. */
  readonly holder: LockHolder | null
  /** Milliseconds. */
  readonly waited: number
  /** Place among this thread's waiters for the file, from 1; 0 when it never queued. */
  readonly position: number

  constructor(
    message: string,
    facts: { holder: LockHolder | null; waited: number; position: number },
    details: LockErrorDetails,
  ) {
    super('ERR_LOCK_TIMEOUT', message, details)
    this.holder = facts.holder
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
  /** releaseAll() ended it. */
  | 'released-all'
  /** The lock file was deleted or replaced under the hold. */
  | 'replaced'

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
  'released-all': 'The hold was ended by releaseAll()',
  replaced: 'The hold is lost because its lock file was deleted or replaced',
}

/** Whether `error` is a LockError of any copy of this package; with `code`, of that code. */
export function isLockError(error: unknown, code: 'ERR_LOCK_TIMEOUT'): error is LockTimeoutError
export function isLockError(error: unknown, code: 'ERR_LOCK_LOST'): error is LockLostError
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
  return withCode(new TypeError(`${name} must be ${expected}; received ${received}`), 'ERR_INVALID_ARG_TYPE')
}

export function invalidValue(name: string, expected: string, actual: unknown): TypeError {
  return withCode(new TypeError(`${name} must be ${expected}; received ${shown(actual)}`), 'ERR_INVALID_ARG_VALUE')
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
