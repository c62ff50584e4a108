// Another process. It does what its parent says and answers each message; `Peer` is the parent's end of it.
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { acquire, inspect, tryAcquire, withLock, type AcquireOptions, type Hold } from '../../src/index.js'
import { program, programArguments } from './runtime.js'

interface Message {
  id: number
  command: keyof typeof commands
  args: unknown[]
}
interface Answer {
  id: number
  value?: unknown
  error?: string
}

const held = new Map<string, Hold>()

function keep(path: string, hold: Hold | null): boolean {
  if (hold !== null) held.set(path, hold)
  return hold !== null
}

/** One hold a path: what is acquired by a path is released by it. */
const commands = {
  acquire: async (path: string, options?: AcquireOptions) => keep(path, await acquire(path, options)),
  tryAcquire: (path: string) => keep(path, tryAcquire(path)),
  release: (path: string) => held.get(path)?.release(),
  inspect: (path: string) => inspect(path).state,
  isHeld: (path: string) => held.get(path)?.held,
  /** Stops the event loop until a file appears; in a guard, if told so. */
  blockUntil: async (path: string, file: string, guarded: boolean) => {
    const block = (): void => {
      const never = new Int32Array(new SharedArrayBuffer(4))
      while (!existsSync(file)) Atomics.wait(never, 0, 0, 5)
    }
    if (guarded) await held.get(path)?.guard(block)
    else block()
  },
  /** A read, a pause and a write that lose increments unless they exclude each other. */
  increment: async (path: string, times: number) => {
    for (let i = 0; i < times; i++) {
      await withLock(path, { timeout: 60_000 }, async () => {
        const count = Number(readFileSync(path, 'latin1'))
        await new Promise((resolve) => setImmediate(resolve))
        writeFileSync(path, String(count + 1))
      })
    }
  },
  /** Starts a program that outlives us, with whatever handles a child inherits. Answers with its process id. */
  startChild: (_path: string, milliseconds: number) =>
    spawn(program, [...programArguments, '-e', `setTimeout(() => {}, ${milliseconds})`], {
      stdio: 'ignore',
      detached: true,
    }).pid,
  exit: (_path: string, code: number) => process.exit(code),
}

const ATTEMPTS = 3

/** Wine sometimes fails to make a process, with an error that Node has no name for: that says nothing of locks, so it is tried again. */
function forkPeer(attempt = 1): ChildProcess {
  try {
    return fork(fileURLToPath(import.meta.url), ['peer'], { execPath: program, execArgv: programArguments })
  } catch (error) {
    if (attempt === ATTEMPTS || !(error instanceof Error && 'code' in error && error.code === 'UNKNOWN')) throw error
    return forkPeer(attempt + 1)
  }
}

export class Peer {
  readonly child = forkPeer()
  readonly ended: Promise<number | null>
  private readonly pending = new Map<number, (answer: Answer) => void>()
  private last = 0

  constructor() {
    this.child.on('message', (answer: Answer) => {
      this.pending.get(answer.id)?.(answer)
      this.pending.delete(answer.id)
    })
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code) => {
        for (const settle of this.pending.values()) settle({ id: 0, error: `the process ended: ${code}` })
        resolve(code)
      })
    })
  }

  ask(command: keyof typeof commands, path: string, ...rest: unknown[]): Promise<unknown> {
    const id = ++this.last
    const answered = new Promise((resolve, reject) => {
      this.pending.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value)
        else reject(new Error(error))
      })
    })
    // A case that kills the process does not wait for every answer.
    answered.catch(() => {})
    this.child.send({ id, command, args: [path, ...rest] })
    return answered
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}

if (process.argv[2] === 'peer') {
  process.on('message', ({ id, command, args }: Message) => {
    const answer = (message: Omit<Answer, 'id'>): void => void process.send?.({ id, ...message })
    const run = commands[command] as (...args: unknown[]) => unknown
    new Promise((resolve) => resolve(run(...args))).then(
      (value) => answer({ value }),
      (error: unknown) => answer({ error: error instanceof Error ? String(error.stack) : String(error) }),
    )
  })
}
