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
