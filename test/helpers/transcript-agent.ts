// Drives another process, or a worker of this one, that writes transcripts (test/fixtures/transcript-agent.mjs). Every wait
// is for a message or for the end.
import { fork, spawn, type ChildProcess, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { onTestFinished } from 'vitest'

import type { AcquireOptions } from '../../src/index.js'
import type { AppendOptions, TranscriptOptions } from '../../src/session.js'
import { program } from './capabilities.js'
import { scratch } from './scratch.js'
import { until } from './until.js'

export const PROGRAM = fileURLToPath(new URL('../fixtures/transcript-agent.mjs', import.meta.url))
const THREAD = fileURLToPath(new URL('../fixtures/transcript-thread.mjs', import.meta.url))

/** What is left of an error on its way between processes. */
export class RemoteError extends Error {
  declare code: string | undefined
  declare version: string | undefined
  declare undone: boolean | undefined
  declare causeCode: string | undefined
}

/** What became of one append of many. */
export type Outcome = string | { readonly code: string; readonly cause?: string; readonly undone?: boolean }

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: object
}

class Commands {
  private readonly post: (message: object) => void
  private readonly pending = new Map<number, (answer: Answer) => void>()
  private last = 0

  constructor(port: ChildProcess | Worker, post: (message: object) => void) {
    this.post = post
    port.on('message', (answer: Answer) => {
      this.pending.get(answer.id)?.(answer)
      this.pending.delete(answer.id)
    })
    port.on('exit', () => {
      for (const settle of this.pending.values()) settle({ id: 0, error: { message: 'it ended' } })
    })
  }

  open(path: string, options?: TranscriptOptions): Promise<number> {
    return this.ask('open', path, options)
  }

  append(key: number, value: unknown, options?: Omit<AppendOptions, 'signal' | 'owner'>): Promise<string> {
    return this.ask('append', key, value, options)
  }

  appendMany(key: number, name: string, from: number, count: number): Promise<Outcome[]> {
    return this.ask('appendMany', key, name, from, count)
  }

  acquire(path: string, options?: Omit<AcquireOptions, 'signal' | 'owner'>): Promise<number> {
    return this.ask('acquire', path, options)
  }

  /** Any command of the fixture. */
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
}

export class TranscriptAgent extends Commands {
  readonly process: ChildProcess
  readonly ended: Promise<NodeJS.Signals | null>

  private constructor(child: ChildProcess) {
    super(child, (message) => void child.send(message))
    this.process = child
    this.ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
    onTestFinished(() => void child.kill('SIGKILL'))
  }

  static async start(options: ForkOptions = {}): Promise<TranscriptAgent> {
    return TranscriptAgent.ready(fork(PROGRAM, { serialization: 'advanced', ...options }))
  }

  /** Through a program that starts another one and keeps its descriptors, such as strace. */
  static async startThrough(command: string, ...args: string[]): Promise<TranscriptAgent> {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    const child = spawn(command, [...args, process.execPath, PROGRAM], { stdio: [...stdio], serialization: 'advanced' })
    return TranscriptAgent.ready(child)
  }

  private static async ready(child: ChildProcess): Promise<TranscriptAgent> {
    const agent = new TranscriptAgent(child)
    await once(child, 'message')
    return agent
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.ended
  }
}

export class TranscriptThread extends Commands {
  readonly worker: Worker

  private constructor(worker: Worker) {
    super(worker, (message) => worker.postMessage(message))
    this.worker = worker
    onTestFinished(() => worker.terminate().then(() => {}))
  }

  static async start(): Promise<TranscriptThread> {
    const thread = new TranscriptThread(new Worker(THREAD))
    await once(thread.worker, 'message')
    return thread
  }
}

export const strace = program('strace')

/** A process whose writes to the file take half a second, and that says when it has looked at the file and writes. */
export async function slowWriter(path: string): Promise<{ agent: TranscriptAgent; begun: () => Promise<void> }> {
  if (!existsSync(path)) writeFileSync(path, '') // strace knows a file by what a path names
  const log = join(scratch(), 'log')
  const delay = ['-e', 'trace=openat,open,write', '-e', 'inject=write:delay_enter=500000']
  const agent = await TranscriptAgent.startThrough('strace', '-f', '-qq', '-o', log, '-P', path, ...delay)
  const opens = () => (existsSync(log) ? readFileSync(log, 'latin1').split('O_APPEND').length - 1 : 0)
  return { agent, begun: () => until('the file is open for writing', () => opens() > 0) }
}

/** A process that stops between its look at the last bytes of the file for its first append and the write, until it is told to go on. */
export async function stoppedBeforeWrite(
  path: string,
): Promise<{ agent: TranscriptAgent; goOn: () => void; stopped: () => Promise<void> }> {
  const log = join(scratch(), 'log')
  // The first two looks are those of open() and version().
  const stop = ['-e', 'trace=pread64', '-e', 'inject=pread64:signal=SIGSTOP:when=3']
  const agent = await TranscriptAgent.startThrough('strace', '-f', '-qq', '-o', log, '-P', path, ...stop)
  const pid = await agent.ask<number>('pid')
  const isStopped = () => existsSync(log) && readFileSync(log, 'latin1').includes('stopped by SIGSTOP')
  return {
    agent,
    stopped: () => until('it stops', isStopped),
    goOn: () => void process.kill(pid, 'SIGCONT'),
  }
}
