// A program on a host: what it is told, and what it says (events.ts).
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { Told } from '../events.js'
import type { Host } from './network.js'
import { LONGEST } from './until.js'

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Program {
  readonly name: string
  readonly events: Told[] = []
  private readonly child: ChildProcess
  private readonly looks = new Set<() => void>()

  constructor(name: string, { prefix }: Pick<Host, 'prefix'>, program: URL, args: readonly string[]) {
    this.name = name
    const file = fileURLToPath(program)
    const [command = process.execPath, ...rest] = [...prefix, process.execPath, file, ...args]
    this.child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    running.add(this.child)
    const { stdout, stdin } = this.child
    stdin?.on('error', () => {}) // of one that has ended, which is noticed otherwise
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (line) => {
        this.events.push(JSON.parse(line) as Told)
        for (const look of this.looks) look()
      })
    }
    this.child.once('exit', () => {
      running.delete(this.child)
      for (const look of this.looks) look()
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  send(line: object): void {
    this.child.stdin?.write(`${JSON.stringify(line)}\n`)
  }

  endInput(): void {
    this.child.stdin?.end()
  }

  /** The code with which it ends; null for one that is killed. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit')
    return this.child.exitCode
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** The first event of which it is true, at once if there was one. */
  until<T extends Told>(what: string, is: (event: Told) => event is T): Promise<T>
  until(what: string, is: (event: Told) => boolean): Promise<Told>
  async until(what: string, is: (event: Told) => boolean): Promise<Told> {
    const found = (): Told | undefined => this.events.find(is)
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(null), LONGEST)
      const done = (event: Told | null): void => {
        clearTimeout(timer)
        this.looks.delete(look)
        if (event === null) reject(new Error(`${this.name} did not say: ${what}`))
        else resolve(event)
      }
      const look = (): void => {
        const event = found()
        if (event !== undefined) done(event)
        else if (this.child.exitCode !== null || this.child.signalCode !== null) done(null)
      }
      this.looks.add(look)
      look()
    })
  }
}
