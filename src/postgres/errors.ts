// Failures of the database, as errors that say what to do about them. The client's own error stays as `cause`.
import { LockError } from '../errors.js'

const CANCELED = '57014'
const OUT_OF_MEMORY = '53200'
const FORBIDDEN = '42501'
const UNKNOWN_STATEMENT = '26000'
const EXISTS_ALREADY = new Set(['23505', '42P07', '42710'])

/**
 * What a server says, and the system, while one starts or stops; when it has no room for another connection, where sessions that
 * were cut off may be what fills it; and when an administrator cancels a statement.
 */
const PASSING = new Set([
  CANCELED,
  '53300',
  '57P01',
  '57P02',
  '57P03',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
])

/** The connection has ended, or does not answer; `cause` says how. */
export class Disconnected extends Error {
  constructor(cause: unknown) {
    super(`the connection has ended${cause === undefined ? '' : `: ${reasonOf(cause)}`}`, { cause })
  }
}

/** In words, or by its code: a host with several addresses that do not answer is an error without a message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = codeOf(error)
  if (error.message !== '') return error.message
  return typeof code === 'string' ? code : error.name
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

export function wasCanceled(error: unknown): boolean {
  return codeOf(error) === CANCELED
}

export function isForbidden(error: unknown): boolean {
  return codeOf(error) === FORBIDDEN
}

/** Somebody else made it a moment ago. */
export function existsAlready(error: unknown): boolean {
  const code = codeOf(error)
  return typeof code === 'string' && EXISTS_ALREADY.has(code)
}

/**
 * The server says goodbye: what was kept in the session is free already, or will be at once. Or another server process answers,
 * which does not know our statements.
 */
export function endsSession(error: unknown): boolean {
  const fatal = typeof error === 'object' && error !== null && 'severity' in error && error.severity === 'FATAL'
  const code = codeOf(error)
  return fatal || code === UNKNOWN_STATEMENT || (typeof code === 'string' && code.startsWith('57P'))
}

/** Worth another try in a moment. */
export function mayPass(error: unknown): boolean {
  if (error instanceof Disconnected) return true
  const code = codeOf(error)
  return typeof code === 'string' && PASSING.has(code)
}

/** What is wrong with an address is told with the address, and that with a password. */
function hideAddress(error: unknown): void {
  if (error instanceof Error && 'input' in error) error.input = 'hidden'
}

export function databaseError(cause: unknown, path?: string, lockfile?: string): LockError {
  if (cause instanceof LockError) return cause
  hideAddress(cause)
  const of = path === undefined ? '' : ` of ${path}`
  const details = { path, lockfile, cause }
  if (codeOf(cause) === OUT_OF_MEMORY) {
    const advice = 'its lock table is full: raise max_locks_per_transaction, or hold fewer locks at a time'
    return new LockError('ERR_LOCK_EXHAUSTED', `The database cannot keep the lock${of}: ${advice}`, details)
  }
  return new LockError('ERR_LOCK_DATABASE', `The database that keeps the lock${of} failed: ${reasonOf(cause)}`, details)
}
