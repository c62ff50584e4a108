// Drives a process with a store (test/fixtures/store-agent.mjs), as helpers/agent.ts drives one with locks.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import { RemoteError } from '../helpers/agent.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/store-agent.mjs', import.meta.url))

interface Answer {
  id: number
  value?: unknown
  error?: object
}

export class StoreProcess {
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
        for (const settle of this.pending.values()) settle({ id: 0, error: { message: 'the process ended' } })
        resolve({ code, signal })
      })
    })
  }

  static async start(file: string): Promise<StoreProcess> {
    const child = fork(PROGRAM, [file])
    onTestFinished(() => void child.kill('SIGKILL'))
    const started = new StoreProcess(child)
    await once(child, 'message')
    return started
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

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

  /** Tells it something that it cannot answer because it ends or blocks. */
  tell(command: string, ...args: unknown[]): void {
    this.process.send({ id: 0, command, args })
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.ended
  }
}
