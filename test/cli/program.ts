// The program `holdfast`, as it is built, in a process of its own.
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import { waiterBlocked } from '../helpers/kernel-waiters.js'
import { until } from '../helpers/until.js'

export const PROGRAM = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** A command that says which signals it gets, until its input ends. */
export const COMMAND = [process.execPath, fileURLToPath(new URL('fixtures/command.mjs', import.meta.url))]

/** Runs to its end. */
export function holdfast(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  return spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8', ...options })
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Runs beside the test, which reads what it says and may write to it. Leads a group that is killed after the test. */
export class Running {
  output = ''
  errors = ''
  readonly process: ChildProcess
  readonly ended: Promise<Ended>

  constructor(command: readonly [string, ...string[]], options: SpawnOptions = {}) {
    const [name, ...args] = command
    const child = spawn(name, args, { stdio: 'pipe', detached: true, ...options })
    this.process = child
    onTestFinished(() => {
      try {
        process.kill(-this.pid, 'SIGKILL')
      } catch {
        // All of it has ended.
      }
    })
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text))
    this.ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })))
  }

  static holdfast(args: readonly string[], options: SpawnOptions = {}): Running {
    return new Running([process.execPath, PROGRAM, ...args], options)
  }

  get pid(): number {
    return this.process.pid ?? NaN
  }

  async says(text: string): Promise<void> {
    await until(`it says ${text}`, () => this.output.includes(text))
  }

  /** Somebody else has the lock, and the kernel has its wait. */
  begunWaiting(lockfile: string): Promise<void> {
    return waiterBlocked(lockfile, this.pid)
  }

  type(text: string): void {
    this.process.stdin?.write(text)
  }

  /** Ends its input. */
  finish(): Promise<Ended> {
    this.process.stdin?.end()
    return this.ended
  }
}
