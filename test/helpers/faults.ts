// Faults at exact system calls of another process (test/faults/preload.c), and that process (test/fixtures/faults.mjs).
import { fork, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import { program, type Capability } from './capabilities.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/faults.mjs', import.meta.url))
const SOURCE = fileURLToPath(new URL('../faults/preload.c', import.meta.url))

/** Compiled once for each file of tests. */
const library = compile()

function compile(): string | null {
  if (process.platform !== 'linux' || !program('cc').there) return null
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-preload-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'preload.so')
  const options = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC']
  const { status, stderr } = spawnSync('cc', [...options, '-o', file, SOURCE, '-ldl', '-lpthread'], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`preload.c does not compile:\n${stderr}`)
  return file
}

/** A Node without dynamic linking could not be asked to load the library. */
export const faultable: Capability = {
  name: 'Linux, the program cc, and a Node that loads what LD_PRELOAD names',
  there: library !== null && isLoaded(library),
}

function isLoaded(file: string): boolean {
  const script = `process.exitCode = process.report.getReport().sharedObjects.includes(${JSON.stringify(file)}) ? 0 : 1`
  return spawnSync(process.execPath, ['-e', script], { env: { ...process.env, LD_PRELOAD: file } }).status === 0
}

export interface Fault {
  /**
   * - `kill-before`, `kill-after`: SIGKILL, with the call not made or made.
   * - `fail`, `fail-after`: `error`, with the call not made or made.
   * - `part`: it is made with `most` bytes at the most.
   * - `stop`: it waits until resume(), and is made then, or fails with `error`, where there is one.
   */
  readonly does: 'kill-before' | 'kill-after' | 'fail' | 'fail-after' | 'part' | 'stop'
  /** The calls by their names in C, without `64`; `read` and `write` are pread() and pwrite() too. Any by default. */
  readonly call?: string
  /** The end of the file's name; any by default. The folder is `.`. */
  readonly file?: string
  /** Which of these calls, counted from 1; 0: each; -n: from the n-th on. The first by default. */
  readonly at?: number
  readonly error?: keyof typeof constants.errno
  /** Of a `part`, and of a write before `kill-after`. */
  readonly most?: number
}

const KINDS = ['', 'kill-before', 'kill-after', 'fail', 'fail-after', 'part', 'stop']
const RULES = 8
const RULE = 64
const RULES_AT = 64
const LINES = 1000
const LINE = 96
const LINES_AT = RULES_AT + RULES * RULE
const SIZE = LINES_AT + LINES * LINE

/** What the library is told and has seen. Faults and counts begin with arm(). */
export class Faults {
  readonly environment: NodeJS.ProcessEnv
  private readonly fd: number

  /** For what is in `folder`. */
  constructor(folder: string) {
    if (library === null) throw new Error(`not on this machine: ${faultable.name}`)
    const place = mkdtempSync(join(tmpdir(), 'holdfast-faults-'))
    const file = join(place, 'control')
    writeFileSync(file, Buffer.alloc(SIZE))
    this.fd = openSync(file, 'r+')
    onTestFinished(() => {
      closeSync(this.fd)
      rmSync(place, { recursive: true, force: true })
    })
    this.environment = { LD_PRELOAD: library, HOLDFAST_FAULTS: file, HOLDFAST_FAULTS_FOLDER: folder }
  }

  arm(...faults: readonly Fault[]): void {
    if (faults.length > RULES) throw new Error(`at most ${RULES} faults`)
    const bytes = Buffer.alloc(LINES_AT)
    for (const [index, { does, call = '', file = '', at = 1, error, most = -1 }] of faults.entries()) {
      const rule = bytes.subarray(RULES_AT + index * RULE, RULES_AT + (index + 1) * RULE)
      rule.writeInt32LE(KINDS.indexOf(does), 0)
      rule.writeInt32LE(at, 4)
      const number = error === undefined ? (does.startsWith('fail') ? constants.errno.EIO : 0) : constants.errno[error]
      rule.writeInt32LE(number, 12)
      rule.writeInt32LE(most, 16)
      rule.write(call, 24, 15)
      rule.write(file, 40, 23)
    }
    writeSync(this.fd, bytes, 0, bytes.length, 0)
    writeSync(this.fd, Int32Array.of(1), 0, 4, 0)
  }

  disarm(): void {
    writeSync(this.fd, Int32Array.of(0), 0, 4, 0)
  }

  /** What was called since arm(), as `write file.jsonl`. */
  get calls(): string[] {
    const count = Math.min(LINES, this.number(4))
    const bytes = Buffer.alloc(count * LINE)
    readSync(this.fd, bytes, 0, bytes.length, LINES_AT)
    return Array.from({ length: count }, (_, index) => {
      const line = bytes.subarray(index * LINE, (index + 1) * LINE)
      return line.subarray(0, line.indexOf(0)).toString()
    })
  }

  /** How often the fault of this place in arm()'s list has happened. */
  fired(index = 0): number {
    return this.number(RULES_AT + index * RULE + 20)
  }

  /** How many calls have stopped. */
  get stopped(): number {
    return this.number(8)
  }

  /** All that have stopped go on. */
  resume(): void {
    writeSync(this.fd, Int32Array.of(this.stopped), 0, 4, 12)
  }

  private number(at: number): number {
    const bytes = Buffer.alloc(4)
    readSync(this.fd, bytes, 0, 4, at)
    return bytes.readInt32LE(0)
  }
}

/** What is left of an error on its way between processes. */
export class RemoteError extends Error {
  declare code: string | undefined
  declare undone: boolean | undefined
  declare causeCode: string | undefined
  declare causeSyscall: string | undefined
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: object
}

/** A process that works on transcripts and stores, one message a command, under faults. */
export class Worker {
  readonly faults: Faults
  readonly process: ChildProcess
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  private readonly pending = new Map<number, (answer: Answer) => void>()
  private last = 0

  private constructor(process: ChildProcess, faults: Faults) {
    this.process = process
    this.faults = faults
    process.on('message', (answer: Answer) => {
      this.pending.get(answer.id)?.(answer)
      this.pending.delete(answer.id)
    })
    // Not at its exit: what it said before that may still be on the way.
    this.ended = new Promise((resolve) => {
      process.once('close', (code: number | null, signal: NodeJS.Signals | null) => {
        const error = { message: `the process ended (${code ?? signal})`, code: 'ENDED' }
        for (const settle of this.pending.values()) settle({ id: 0, error })
        resolve({ code, signal })
      })
    })
  }

  /** `folder` is where faults happen. */
  static async start(folder: string): Promise<Worker> {
    const faults = new Faults(folder)
    return await Worker.begun(faults, fork(PROGRAM, { env: { ...process.env, ...faults.environment } }))
  }

  /** With strace around it, which takes these options. */
  static async traced(folder: string, options: readonly string[]): Promise<Worker> {
    const faults = new Faults(folder)
    // For what it starts, not for itself.
    const environment = Object.entries(faults.environment).flatMap(([name, value]) => ['-E', `${name}=${value}`])
    const execArgv = ['-f', '-y', ...environment, ...options, process.execPath]
    return await Worker.begun(faults, fork(PROGRAM, { execPath: 'strace', execArgv }))
  }

  private static async begun(faults: Faults, child: ChildProcess): Promise<Worker> {
    const worker = new Worker(child, faults)
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'message')
    return worker
  }

  ask<T = unknown>(command: string, ...args: unknown[]): Promise<T> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.pending.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T)
        else reject(Object.assign(new RemoteError(), error))
      })
      this.process.send({ id, command, args })
    })
  }

  /** The error that a command rejects with. */
  async refusal(command: string, ...args: unknown[]): Promise<RemoteError> {
    try {
      await this.ask(command, ...args)
    } catch (error) {
      if (error instanceof RemoteError) return error
      throw error
    }
    throw new Error(`${command} did not fail`)
  }

  /** Until it has done what it was told, or is gone. */
  async end(): Promise<void> {
    this.process.send({ id: 0, command: 'leave', args: [] })
    await this.ended
  }
}
