// Drives a worker thread (test/fixtures/thread.mjs), here or in another process, as agent.ts drives a process.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { onTestFinished } from 'vitest'

import { RemoteError, type RemoteHold, type RemoteOptions } from './agent.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/thread.mjs', import.meta.url))
const HOST = fileURLToPath(new URL('../fixtures/worker-host.mjs', import.meta.url))

interface Answer {
  id: number
  value?: unknown
  error?: object
}

class RemoteThread {
  private readonly post: (message: unknown) => void
  private readonly pending = new Map<number, (answer: Answer) => void>()
  private last = 0

  protected constructor(port: Worker | ChildProcess, post: (message: unknown) => void) {
    this.post = post
    port.on('message', (answer: Answer) => {
      this.pending.get(answer.id)?.(answer)
      this.pending.delete(answer.id)
    })
    port.on('exit', () => {
      for (const settle of this.pending.values()) settle({ id: 0, error: { message: 'the thread ended' } })
    })
  }

  acquire(path: string, options?: RemoteOptions): Promise<RemoteHold> {
    return this.ask('acquire', path, options)
  }

  tryAcquire(path: string, options?: RemoteOptions): Promise<RemoteHold | null> {
    return this.ask('tryAcquire', path, options)
  }

  release(hold: { key: number }): Promise<void> {
    return this.ask('release', hold.key)
  }

  /** Any other command of the agent. */
  ask<T>(command: string, ...args: unknown[]): Promise<T> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.pending.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T)
        else reject(Object.assign(new RemoteError(), error))
      })
      this.post({ id, command, args })
    })
  }

  /** Tells it something that it cannot answer because it ends or blocks. */
  tell(command: string, ...args: unknown[]): void {
    this.post({ id: 0, command, args })
  }
}

/** A worker thread of this process. */
export class Thread extends RemoteThread {
  readonly worker: Worker

  private constructor(worker: Worker) {
    super(worker, (message) => worker.postMessage(message))
    this.worker = worker
  }

  static async start(): Promise<Thread> {
    const worker = new Worker(PROGRAM)
    onTestFinished(() => worker.terminate().then(() => {}))
    const thread = new Thread(worker)
    await once(worker, 'message')
    return thread
  }
}

/** The only worker thread of another process. */
export class ThreadElsewhere extends RemoteThread {
  readonly host: ChildProcess

  private constructor(host: ChildProcess) {
    super(host, (message) => host.send(message as object))
    this.host = host
  }

  static async start(): Promise<ThreadElsewhere> {
    const host = fork(HOST, { serialization: 'advanced' })
    onTestFinished(() => void host.kill('SIGKILL'))
    const thread = new ThreadElsewhere(host)
    await once(host, 'message')
    return thread
  }
}
