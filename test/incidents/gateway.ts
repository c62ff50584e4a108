// Drives a gateway process (test/fixtures/incident-gateway.mjs), on holdfast or on lock files.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import type { LockFileRules } from '../../examples/lock-files/lock-files.mjs'

const PROGRAM = fileURLToPath(new URL('../fixtures/incident-gateway.mjs', import.meta.url))

export type Protocol = 'holdfast' | 'lock-file'

/** How its runs are written, and how they end. */
export interface Habits {
  fails?: 'unhandledRejection' | 'uncaughtException'
  /** Something in the process refers to the run's lock for ever. */
  keepsInReach?: boolean
  maxHold?: number | undefined
  /** A run's lane ends with the run's scope. */
  endsLanes?: boolean
  /** In this handler. */
  releasesAllOn?: 'unhandledRejection' | 'uncaughtException'
}

interface Answer {
  id: number
  value?: unknown
  error?: { message: string; code?: string }
}

export class Gateway {
  private readonly process: ChildProcess
  private readonly pending = new Map<number, (answer: Answer) => void>()
  private last = 0

  private constructor(process: ChildProcess) {
    this.process = process
    process.on('message', (answer: Answer) => {
      this.pending.get(answer.id)?.(answer)
      this.pending.delete(answer.id)
    })
    process.once('exit', () => {
      for (const settle of this.pending.values()) settle({ id: 0, error: { message: 'the gateway ended' } })
    })
  }

  static async start(
    protocol: Protocol,
    { rules, habits = {} }: { rules?: Omit<LockFileRules, 'time'>; habits?: Habits } = {},
  ): Promise<Gateway> {
    const setup = JSON.stringify({ protocol, rules, habits })
    // The warnings are events still; they are only not printed.
    const child = fork(PROGRAM, [setup], { execArgv: ['--expose-gc', '--no-warnings'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'message')
    return new Gateway(child)
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  ask<T = void>(command: string, ...args: unknown[]): Promise<T> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.pending.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T)
        else reject(Object.assign(new Error(error.message), { code: error.code }))
      })
      this.process.send({ id, command, args })
    })
  }

  async kill(): Promise<void> {
    const ended = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await ended
  }
}
