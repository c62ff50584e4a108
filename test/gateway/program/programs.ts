// The programs themselves, as processes of their own.
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import { until } from '../../helpers/until.js'

const DIST = new URL('../../../examples/gateway/dist/', import.meta.url)

export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** One object of the log. */
export type Event = Readonly<Record<string, unknown>> & { readonly event: string }

export class Program {
  readonly out: string[] = []
  readonly err: string[] = []
  readonly ended: Promise<End>
  private readonly child: ChildProcess

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.child = child
    createInterface({ input: child.stdout }).on('line', (line) => this.out.push(line))
    createInterface({ input: child.stderr }).on('line', (line) => this.err.push(line))
    this.ended = endOf(child)
    onTestFinished(async () => {
      if (!this.isOver) process.kill(-this.pid, 'SIGKILL')
      await this.ended
    })
  }

  /** `file` is one of the gateway's programs, without `.js`, or a path. */
  static start(file: string, ...args: string[]): Program {
    return Program.startThrough([], file, ...args)
  }

  /** Through a program that starts another one, such as strace. */
  static startThrough(through: readonly string[], file: string, ...args: string[]): Program {
    const path = file.includes('/') ? file : fileURLToPath(new URL(`${file}.js`, DIST))
    const [command = process.execPath, ...rest] = [...through, process.execPath, path, ...args]
    // A group of its own: whoever started it ends with it.
    return new Program(spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true }))
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  get events(): Event[] {
    return this.err.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Event)
  }

  /** Of a gateway, once it takes messages. */
  async url(): Promise<string> {
    await until('the program says its URL', () => this.out.length > 0 || this.isOver)
    const [url] = this.out
    if (url === undefined) throw new Error(`the program ended: ${this.err.join('\n')}`)
    return url
  }

  async logged(event: string): Promise<Event> {
    const find = () => this.events.find((one) => one.event === event)
    await until(`the program logs ${event}`, () => find() !== undefined)
    return find() ?? { event }
  }

  get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Resolves when it is over. */
  end(signal: NodeJS.Signals): Promise<End> {
    this.child.kill(signal)
    return this.ended
  }
}

async function endOf(child: ChildProcess): Promise<End> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal }
}

export function main(folder: string, ...options: string[]): Program {
  return Program.start('main', '--folder', folder, '--port', '0', ...options)
}

/** Runs it to its end. */
export async function cli(folder: string, ...args: string[]): Promise<End & { out: string[]; err: string[] }> {
  const program = Program.start('cli', '--folder', folder, ...args)
  const end = await program.ended
  return { ...end, out: program.out, err: program.err }
}

export interface Posted {
  readonly status: number
  readonly body: { readonly id?: string; readonly error?: { readonly code: string; readonly message: string } }
}

export async function post(url: string, session: string, id: string, text = `says ${id}`): Promise<Posted> {
  const response = await fetch(`${url}/sessions/${session}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id, text }),
  })
  return { status: response.status, body: (await response.json()) as Posted['body'] }
}
