// What is told of an error, and with which code the program exits.
import { UsageError } from './command.js'
import { EXIT } from './exit-codes.js'

export interface Failure {
  readonly exit: number
  /** That of the error; `USAGE` where the arguments are wrong, `INTERNAL` where this program is. */
  readonly code: string
  /** One line. */
  readonly message: string
  readonly path?: string | undefined
  readonly lockfile?: string | undefined
}

export async function failureOf(error: unknown): Promise<Failure> {
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
  if (error instanceof UsageError) return { exit: EXIT.usage, code: 'USAGE', message }
  if (code?.startsWith('ERR_PARSE_ARGS_') === true) {
    // What follows the first sentence tells of positionals that nobody asked for.
    return { exit: EXIT.usage, code: 'USAGE', message: message.replace(/\. [^]*/, '') }
  }
  // Loaded when something went wrong, for a mistake in the arguments needs none of it.
  const { isLockError } = await import('../index.js')
  if (isLockError(error)) {
    const { path, lockfile } = error
    return {
      exit: error.code === 'ERR_LOCK_TIMEOUT' ? EXIT.busy : EXIT.system,
      code: error.code,
      message,
      path,
      lockfile,
    }
  }
  if (code !== null && error instanceof Error && 'syscall' in error) return { exit: EXIT.system, code, message }
  return { exit: EXIT.internal, code: 'INTERNAL', message }
}
