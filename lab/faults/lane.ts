// One process in which calls fail, seen from the one that tells it what to do.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { makePlace } from './library.js'
import type { Case, Task } from './subject.js'

const SUBJECT = fileURLToPath(new URL('subject.js', import.meta.url))

interface Answer {
  readonly cases?: readonly Case[]
  readonly failure?: string
}

export class Lane {
  /** Where its files are. */
  readonly folder: string
  private readonly process: ChildProcess
  private readonly ended: Promise<string>

  private constructor(process: ChildProcess, folder: string) {
    this.process = process
    this.folder = folder
    this.ended = new Promise((resolve) => {
      process.once('exit', (code, signal) => resolve(signal ?? String(code)))
    })
  }

  /** With strace around it, which writes down what the kernel sees. */
  static async traced(library: string, folder: string, log: string): Promise<Lane> {
    mkdirSync(folder)
    const place = makePlace(library, folder)
    // For what it starts, not for itself.
    const names = ['LD_PRELOAD', 'HOLDFAST_LAB_FAULTS', 'HOLDFAST_LAB_FOLDER', 'HOLDFAST_LAB_MOUNTS']
    const environment = names.flatMap((name) => ['-E', `${name}=${place.env[name] ?? ''}`])
    const execArgv = ['-f', '-y', '-o', log, '-e', 'trace=%file,%desc,%process', ...environment, process.execPath]
    const child = fork(SUBJECT, { execPath: 'strace', execArgv })
    await once(child, 'message')
    return new Lane(child, place.folder)
  }

  static async start(library: string, folder: string): Promise<Lane> {
    mkdirSync(folder)
    const place = makePlace(library, folder)
    const child = fork(SUBJECT, { env: place.env, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    child.stderr?.resume() // of a process that aborts: Node's own report
    await once(child, 'message')
    return new Lane(child, place.folder)
  }

  /** A text, the signal or exit code, if the process ended over it. */
  async sweep(task: Task): Promise<readonly Case[] | string> {
    const told = new Promise<Answer>((resolve) => this.process.once('message', resolve))
    this.process.send(task)
    const answer = await Promise.race([told, this.ended])
    if (typeof answer === 'string') return answer
    if (answer.cases === undefined) throw new Error(`${task.operation}, ${task.error}: ${answer.failure ?? ''}`)
    return answer.cases
  }

  async end(): Promise<void> {
    if (this.process.connected) this.process.disconnect()
    await this.ended
  }
}
