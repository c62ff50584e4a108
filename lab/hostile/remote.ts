// The driver's side of a process: one question at a time, and a watchdog for each. A process that does not answer is
// killed, and that is the answer.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Far more than any call needs that does not block, also on a machine that has much else to do. */
const PATIENCE = 20_000

export class Blocked extends Error {}

export interface Identity {
  readonly uid?: number
  readonly gid?: number
}

interface Listener {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

interface Said {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** The functions of an interface, from afar: each answers later, or throws Blocked. */
export class Remote<Calls extends { [Name in keyof Calls]: (...args: never[]) => unknown }> {
  private readonly child: ChildProcess
  private readonly listeners = new Map<number, Listener>()
  private last = 0
  private said = ''

  private constructor(child: ChildProcess) {
    this.child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.said += text))
    child.on('message', (message: Said) => {
      const listener = this.listeners.get(message.id)
      this.listeners.delete(message.id)
      if (message.error === undefined) listener?.resolve(message.value)
      else listener?.reject(new Error(message.error))
    })
    child.once('exit', (code, signal) => {
      for (const { reject } of this.listeners.values()) reject(new Error(`it ended (${code ?? signal}): ${this.said}`))
      this.listeners.clear()
    })
  }

  /** In `/`, for another user may not be allowed to be where we are. */
  static async start<Calls extends { [Name in keyof Calls]: (...args: never[]) => unknown }>(
    program: string,
    identity: Identity,
  ): Promise<Remote<Calls>> {
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc'] as const
    // A session of its own: no terminal is near. Warnings are heard of as events.
    const env = { ...process.env, NODE_NO_WARNINGS: '1' }
    const how = { cwd: '/', detached: true, env, serialization: 'advanced' as const, stdio: [...stdio] }
    const child = fork(program, { ...identity, ...how })
    const [first] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[]
    if (first !== 'ready') throw new Error(`${program} ends at once (${String(first)})`)
    return new Remote(child)
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  ask<Name extends keyof Calls & string>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<Awaited<ReturnType<Calls[Name]>>> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      const watchdog = setTimeout(() => {
        this.listeners.delete(id)
        this.child.kill('SIGKILL')
        reject(new Blocked(`${name}() does not answer`))
      }, PATIENCE)
      this.listeners.set(id, {
        resolve: (value) => {
          clearTimeout(watchdog)
          resolve(value as Awaited<ReturnType<Calls[Name]>>) // the other side implements the same interface
        },
        reject: (error) => {
          clearTimeout(watchdog)
          reject(error)
        },
      })
      if (this.alive) this.child.send({ id, name, args })
      else this.listeners.get(id)?.reject(new Error(`${name}(): the process has ended: ${this.said}`))
    })
  }

  /** What it printed since this was asked last. */
  takeOutput(): string {
    const { said } = this
    this.said = ''
    return said
  }

  async end(): Promise<void> {
    if (!this.alive) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}
