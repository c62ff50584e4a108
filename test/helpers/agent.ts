// Drives a second process (test/fixtures/agent.mjs). Every wait is for a message or for the end of the process: no
// sleeping, no guessing. Agents that a test leaves behind are killed after it.
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import type { AcquireOptions, HoldInfo, LockHolder, LockRecord, LockState } from '../../src/index.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/agent.mjs', import.meta.url))

/** A hold in the other process. */
export interface RemoteHold {
  readonly key: number
  readonly fence: number | null
  readonly recoveredFrom: LockRecord | null
  readonly mode: 'exclusive' | 'shared'
  readonly path: string
  readonly lockfile: string
}

/** What is left of an error on its way between processes. */
export class RemoteError extends Error {
  declare code: string | undefined
  declare holder: LockHolder | null | undefined
  declare position: number | undefined
  declare reason: string | undefined
  declare causeCode: string | undefined
}

export type RemoteOptions = Omit<AcquireOptions, 'signal'>

export class Agent {
  readonly process: ChildProcess
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  private readonly pending = new Map<number, (answer: { value?: unknown; error?: object }) => void>()
  private last = 0

  private constructor(process: ChildProcess) {
    this.process = process
    process.on('message', (message: { id: number; value?: unknown; error?: object }) => {
      this.pending.get(message.id)?.(message)
      this.pending.delete(message.id)
    })
    this.ended = new Promise((resolve) => {
      process.once('exit', (code, signal) => {
        const error = { message: `the agent ended (${code ?? signal})` }
        for (const answer of this.pending.values()) answer({ error })
        resolve({ code, signal })
      })
    })
  }

  /** Dates travel as dates, unlike in JSON. */
  static async start(options: ForkOptions = {}): Promise<Agent> {
    const child = fork(PROGRAM, { serialization: 'advanced', ...options })
    const agent = new Agent(child)
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'message')
    return agent
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  acquire(path: string, options?: RemoteOptions, abortKey?: string): Promise<RemoteHold> {
    return this.ask('acquire', path, options, abortKey)
  }

  tryAcquire(path: string, options?: RemoteOptions): Promise<RemoteHold | null> {
    return this.ask('tryAcquire', path, options)
  }

  acquireAll(paths: string[], options?: RemoteOptions): Promise<{ key: number; lockfiles: string[] }> {
    return this.ask('acquireAll', paths, options)
  }

  abort(abortKey: string): Promise<void> {
    return this.ask('abort', abortKey)
  }

  release(hold: { key: number }): Promise<void> {
    return this.ask('release', hold.key)
  }

  isHeld(hold: { key: number }): Promise<boolean> {
    return this.ask('isHeld', hold.key)
  }

  assertHeld(hold: { key: number }): Promise<void> {
    return this.ask('assertHeld', hold.key)
  }

  inspect(path: string, options?: { lockfile?: string }): Promise<LockState> {
    return this.ask('inspect', path, options)
  }

  holds(): Promise<HoldInfo[]> {
    return this.ask('holds')
  }

  /** Any other command of the fixture. */
  ask<T>(command: string, ...args: unknown[]): Promise<T> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.pending.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T)
        else reject(Object.assign(new RemoteError(), error))
      })
      this.process.send({ id, command, args })
    })
  }

  /** Tells it something that it cannot answer because it ends. */
  tell(command: string, ...args: unknown[]): void {
    this.process.send({ id: 0, command, args })
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.process.kill(signal)
    await this.ended
  }
}
