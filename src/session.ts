/// <reference lib="esnext.disposable" preserve="true" />
// The entry point holdfast/session: files that many lanes and processes write at once, without losing a line.
export { isSessionError, SessionError } from './session/errors.js'
export type { SessionErrorCode, SessionErrorDetails } from './session/errors.js'
