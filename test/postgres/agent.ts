// Drives a process that locks through PostgreSQL: test/fixtures/postgres-agent.mjs, on the built package.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import type { HeartbeatOptions } from '../../src/postgres.js'
import { RemoteError } from '../helpers/agent.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/postgres-agent.mjs', import.meta.url))

export interface Lost {
  readonly lost: number
  readonly reason: string
  /** Wall time. */
  readonly at: number
}

export interface AgentOptions {
  readonly client?: string
  readonly heartbeat?: HeartbeatOptions
  /** A network namespace to run in. */
  readonly network?: string
}

export class PostgresAgent {
  readonly process: ChildProcess
  readonly losses: Lost[] = []
  private readonly pending = new Map<number, (answer: { value?: unknown; error?: object }) => void>()
  private last = 0

  private constructor(process: ChildProcess) {
    this.process = process
    process.on('message', (message: Lost | { id: number; value?: unknown; error?: object }) => {
      if ('lost' in message) {
        this.losses.push(message)
        return
      }
      this.pending.get(message.id)?.(message)
      this.pending.delete(message.id)
    })
    process.once('exit', (code, signal) => {
      const error = { message: `the agent ended (${code ?? signal})` }
      for (const answer of this.pending.values()) answer({ error })
    })
  }

  static async start(url: string, { client = 'pg', heartbeat, network }: AgentOptions = {}): Promise<PostgresAgent> {
    const args = [url, client, JSON.stringify({ heartbeat })]
    const inside =
      network === undefined ? {} : { execPath: 'ip', execArgv: ['netns', 'exec', network, process.execPath] }
    const child = fork(PROGRAM, args, { serialization: 'advanced', ...inside })
    const agent = new PostgresAgent(child)
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'message')
    return agent
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  acquire(name: string, options: object = {}): Promise<{ key: number; fence: number | null }> {
    return this.ask('acquire', name, options)
  }

  release(hold: { key: number }): Promise<void> {
    return this.ask('release', hold.key)
  }

  held(hold: { key: number }): Promise<boolean> {
    return this.ask('held', hold.key)
  }

  sections(name: string, mark: string, rounds: number): Promise<{ overlaps: number; fences: number[] }> {
    return this.ask('sections', name, mark, rounds)
  }

  storm(names: string[], rounds: number, longest: number, seed: number): Promise<{ granted: number; aborted: number }> {
    return this.ask('storm', names, rounds, longest, seed)
  }

  close(): Promise<void> {
    return this.ask('close')
  }

  /** Any other command of the fixture. */
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

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const ended = once(this.process, 'exit')
    this.process.kill(signal)
    await ended
  }
}
