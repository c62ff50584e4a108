// The error of a call that the operating system refused.
import { os, util } from './late.js'

/** Shaped like Node's own: code, errno, syscall, path. */
export class SystemError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string
  readonly path: string

  constructor(errno: number, syscall: string, path: string) {
    const code = nameOf(errno)
    super(`${code}: ${syscall} '${path}'`)
    this.code = code
    this.errno = errno
    this.syscall = syscall
    this.path = path
  }
}

/** libuv has names for some errors only, and none for that of a filesystem without locks: the system has them all. */
function nameOf(errno: number): string {
  const name = util().getSystemErrorName(errno)
  if (!name.startsWith('Unknown system error')) return name
  return Object.entries(os().constants.errno).find(([, number]) => number === -errno)?.[0] ?? name
}
