// A folder of sessions with everybody who uses it: a gateway, a job, now and then the command line, and clients.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client } from '../client.js'
import type { GatewayRules } from '../lock-files/lock-file-files.js'
import type { Part, Setup } from './program.js'

export type Way = 'holdfast' | 'lock file'

export interface WorldOptions {
  readonly folder: string
  readonly provider: string
  /** Null on holdfast. */
  readonly rules: GatewayRules | null
  readonly laneTimeout: number
}

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))

export class World {
  readonly folder: string
  readonly client: Client
  private readonly home: string
  private readonly options: WorldOptions
  private readonly children = new Set<ChildProcess>()
  private readonly logs: string[] = []
  private gateway: ChildProcess | null = null
  private cron: ChildProcess | null = null
  private url = 'http://127.0.0.1:9' // where nobody listens

  constructor(options: WorldOptions) {
    this.home = options.folder
    this.folder = join(options.folder, 'sessions')
    this.options = options
    this.client = new Client('client', () => this.url)
    mkdirSync(this.folder, { recursive: true })
  }

  get way(): Way {
    return this.options.rules === null ? 'holdfast' : 'lock file'
  }

  get address(): string {
    return this.url
  }

  get gatewayPid(): number {
    return this.gateway?.pid ?? -1
  }

  /** What its processes have promised. */
  get promises(): readonly string[] {
    return this.logs
  }

  /** Resolves when it takes messages. After a first one, at the same port. */
  async startGateway(): Promise<void> {
    const { laneTimeout } = this.options
    const port = Number(new URL(this.url).port)
    const gateway = this.start({ name: 'gateway', port: port === 9 ? 0 : port, laneTimeout })
    this.gateway = gateway
    this.url = await firstWord(gateway)
  }

  async killGateway(): Promise<void> {
    await kill(this.gateway)
  }

  async startCron(sessions: readonly string[], every: number): Promise<void> {
    this.cron = this.start({ name: 'cron', sessions, every })
    await firstWord(this.cron)
  }

  /** Lets it finish what it does. */
  async endCron(): Promise<void> {
    if (this.cron === null) return
    const ended = once(this.cron, 'exit')
    this.cron.send('end')
    await ended
  }

  /** Answers whether the command did what it was to do. */
  async command(...command: string[]): Promise<boolean> {
    const [code] = (await once(this.start({ name: 'cli', command }), 'exit')) as [number | null]
    return code === 0
  }

  /** Kills all that runs. */
  async end(): Promise<void> {
    await Promise.all(Array.from(this.children, kill))
  }

  private start(part: Part): ChildProcess {
    const { provider, rules } = this.options
    const name = `${part.name}-${this.logs.length}`
    const promises = join(this.home, `${name}.promises`)
    const setup: Setup = { folder: this.folder, provider, promises, rules, part }
    const log = openSync(join(this.home, `${name}.log`), 'a')
    const child = fork(PROGRAM, {
      stdio: ['ignore', log, log, 'ipc'],
      execArgv: ['--expose-gc'],
      serialization: 'advanced', // rules may say Infinity
    })
    child.send(setup)
    closeSync(log)
    this.logs.push(promises)
    this.children.add(child)
    child.once('exit', () => this.children.delete(child))
    return child
  }
}

/** What the process says first. Rejects if it ends before that. */
async function firstWord(child: ChildProcess): Promise<string> {
  const ending = new AbortController()
  child.once('exit', (code, signal) => ending.abort(new Error(`a process of the demo ended with ${code ?? signal}`)))
  const [word] = (await once(child, 'message', ending)) as [string]
  return word
}

async function kill(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
