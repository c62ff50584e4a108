// The error of a call that the operating system refused.
import { util } from './late.js'

/** Shaped like Node's own: code, errno, syscall, path. */
export class SystemError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string
  readonly path: string

  constructor(errno: number, syscall: string, path: string) {
    const code = util().getSystemErrorName(errno)
    super(`${code}: ${syscall} '${path}'`)
    this.code = code
    this.errno = errno
    this.syscall = syscall
    this.path = path
  }
}
