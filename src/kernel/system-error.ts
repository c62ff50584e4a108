// The error of a call that the operating system refused.
import { visible } from '../errors.js'
import { os, util } from './late.js'

/** Shaped like Node's own: code, errno, syscall, path. */
export class SystemError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string
  readonly path: string

  constructor(errno: number, syscall: string, path: string) {
    const code = nameOf(errno)
    super(visible(`${code}: ${syscall} '${path}'`))
    this.code = code
    this.errno = errno
    this.syscall = syscall
    this.path = path
  }
}

/** One of Node's own as one of ours, whose message is safe to print; any other error as it is. */
export function systemErrorOf(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof SystemError) return error
  if (!('errno' in error && typeof error.errno === 'number' && 'syscall' in error)) return error
  return new SystemError(error.errno, String(error.syscall), path)
}

/** An error of ours or of Node's. */
export interface SystemFailure extends Error {
  readonly code: string
  readonly syscall?: string
}

export function isSystemFailure(error: unknown): error is SystemFailure {
  return error instanceof Error && 'errno' in error && 'code' in error && typeof error.code === 'string'
}

/** libuv has names for some errors only, and none for that of a filesystem without locks: the system has them all. */
function nameOf(errno: number): string {
  const name = util().getSystemErrorName(errno)
  if (!name.startsWith('Unknown system error')) return name
  return Object.entries(os().constants.errno).find(([, number]) => number === -errno)?.[0] ?? name
}
