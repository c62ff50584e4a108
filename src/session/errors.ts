// What can go wrong with a transcript or a store, besides its lock. Messages are safe to print, as those of ../errors.ts are.
import { visible } from '../errors.js'

const BRAND = Symbol.for('holdfast.SessionError')

export type SessionErrorCode =
  /** The file is not at the version that was expected; nothing was done. */
  | 'ERR_SESSION_CONFLICT'
  /** The operating system refused; `cause` has its code, errno, syscall and path. */
  | 'ERR_SESSION_SYSTEM'
  /** An earlier write could not be made durable, so nobody knows what the device has: open it again. */
  | 'ERR_SESSION_FAILED'
  /** What was acknowledged before that failure is not on the device any more. */
  | 'ERR_SESSION_DAMAGED'
  /** It was closed. */
  | 'ERR_SESSION_CLOSED'
  /** What the file has cannot be read as what it should be. */
  | 'ERR_SESSION_UNREADABLE'
  /** The value cannot be written as JSON, or is longer than allowed. */
  | 'ERR_SESSION_VALUE'

export interface SessionErrorDetails {
  path: string
  /** The version that the file has, of a conflict. */
  version?: string
  /** Nothing of a write that failed is left in the file. */
  undone?: boolean
  cause?: unknown
}

export class SessionError extends Error {
  readonly code: SessionErrorCode
  readonly path: string
  readonly version: string | undefined
  /** False: a part of a write that failed may be in the file. */
  readonly undone: boolean

  constructor(code: SessionErrorCode, message: string, { path, version, undone, cause }: SessionErrorDetails) {
    super(visible(message), cause === undefined ? undefined : { cause })
    this.code = code
    this.path = path
    this.version = version
    this.undone = undone ?? true
    Object.defineProperty(this, BRAND, { value: true })
  }

  override get name(): string {
    return 'SessionError'
  }
}

/** Whether `error` is a SessionError of any copy of this package; with `code`, of that code. */
export function isSessionError(error: unknown, code?: SessionErrorCode): error is SessionError {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
  return code === undefined || ('code' in error && error.code === code)
}
