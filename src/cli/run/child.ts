// The command as a process: in our group, on our terminal, with our streams.
import { spawn, type ChildProcess } from 'node:child_process'

import { EXIT } from '../exit-codes.js'

export interface CommandLine {
  readonly name: string
  readonly args: readonly string[]
  /** `name` is a line of the shell. */
  readonly shell: boolean
}

export interface Ended {
  readonly code?: number
  readonly signal?: NodeJS.Signals
  /** Why it did not begin. */
  readonly error?: string
}

export class Child {
  /** Never rejects. */
  readonly ended: Promise<Ended>
  #process: ChildProcess | null = null
  #killing: NodeJS.Timeout | undefined

  constructor(command: CommandLine, env: NodeJS.ProcessEnv, descriptors: readonly number[]) {
    this.ended = new Promise((resolve) => {
      const end = (ended: Ended): void => {
        clearTimeout(this.#killing)
        this.#process = null
        resolve(ended)
      }
      try {
        const child = this.#begin(command, env, descriptors)
        // Also of a signal that may not be sent to it: it has begun then, and ends some time.
        child.on('error', (error) => child.pid === undefined && end(failed(command, error)))
        child.on('exit', (code, signal) => end(code === null ? { ...(signal && { signal }) } : { code }))
      } catch (error) {
        end(failed(command, error))
      }
    })
  }

  /** One that did not begin has no number, and the signal would go to whatever Node takes for it: 0 is our whole group. */
  tell(signal: NodeJS.Signals): void {
    if (this.#process?.pid !== undefined) this.#process.kill(signal)
  }

  /** Asks it to end, and does not ask any more after `killAfter` milliseconds. */
  end(killAfter: number): void {
    this.tell('SIGTERM')
    this.#killing = setTimeout(() => this.tell('SIGKILL'), killAfter)
  }

  #begin({ name, args, shell }: CommandLine, env: NodeJS.ProcessEnv, descriptors: readonly number[]): ChildProcess {
    this.#process = spawn(name, args, { env, shell, stdio: ['inherit', 'inherit', 'inherit', ...descriptors] })
    return this.#process
  }
}

/** How a command ends that did not begin. */
export function failed({ name }: CommandLine, error: unknown): Ended {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'ENOENT':
      return { code: EXIT.notFound, error: `${name}: not found` }
    // There is nothing wrong with the command.
    case 'EAGAIN':
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return { code: EXIT.system, error: `${name}: cannot be started now (${code})` }
    default:
      return { code: EXIT.notExecutable, error: `${name}: cannot be executed (${String(code ?? error)})` }
  }
}
