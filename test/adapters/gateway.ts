// Drives a gateway process (test/fixtures/adapter-gateway.mjs), and what every test of the adapter needs: a session file of
// its own, and this process without holds and listeners afterwards.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import {
  resetSessionWriteLockStateForTest,
  type SessionWriteLockParams,
} from '../../src/adapters/session-write-lock.js'
import { scratch } from '../helpers/scratch.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/adapter-gateway.mjs', import.meta.url))

export type Params = Omit<SessionWriteLockParams, 'signal'>

/** What is left of an error on its way between processes. */
export class GatewayError extends Error {
  declare code: string | undefined
  declare timeoutMs: number | undefined
  declare owner: string | undefined
  declare lockPath: string | undefined
  declare causeCode: string | undefined
}

interface Answer {
  id: number
  value?: unknown
  error?: object
}

export class Gateway {
  readonly process: ChildProcess
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  private readonly pending = new Map<number, (answer: Answer) => void>()
  private last = 0

  private constructor(process: ChildProcess) {
    this.process = process
    process.on('message', (answer: Answer) => {
      this.pending.get(answer.id)?.(answer)
      this.pending.delete(answer.id)
    })
    this.ended = new Promise((resolve) => {
      process.once('exit', (code, signal) => {
        for (const settle of this.pending.values()) settle({ id: 0, error: { message: 'the gateway ended' } })
        resolve({ code, signal })
      })
    })
  }

  static async start(env: Record<string, string> = {}): Promise<Gateway> {
    const execArgv = ['--expose-gc', '--no-warnings']
    const child = fork(PROGRAM, { serialization: 'advanced', execArgv, env: { ...process.env, ...env } })
    const gateway = new Gateway(child)
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'message')
    return gateway
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  acquire(params: Params): Promise<number> {
    return this.ask('acquire', params)
  }

  release(key: number): Promise<void> {
    return this.ask('release', key)
  }

  ask<T = void>(command: string, ...args: unknown[]): Promise<T> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.pending.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T)
        else reject(Object.assign(new GatewayError(), error))
      })
      this.process.send({ id, command, args })
    })
  }

  /** Tells it something that it cannot answer because it ends. */
  tell(command: string, ...args: unknown[]): void {
    this.process.send({ id: 0, command, args })
  }

  /** Of its own accord it says what its listeners hear. */
  async hears(): Promise<{ signal: string; held: boolean[] }> {
    const [message] = (await once(this.process, 'message')) as [{ signal: string; held: boolean[] }]
    return message
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.process.kill(signal)
    await this.ended
  }
}

/** In a folder of its own; the lock of it is this process's until the end of the test at most. */
export function sessionFile(name = 'session.jsonl'): string {
  onTestFinished(() => resetSessionWriteLockStateForTest())
  return join(scratch(), name)
}
