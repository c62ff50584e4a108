// A folder of sessions with everybody who uses it: a gateway, a job, now and then the command line, and clients.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client } from '../client.js'
import type { GatewayRules } from '../lock-files/lock-file-files.js'
import type { Order, Part, Setup, Waited } from './program.js'

export type Way = 'holdfast' | 'lock file'

export interface WorldOptions {
  readonly folder: string
  readonly provider: string
  /** Null on holdfast. */
  readonly rules: GatewayRules | null
  readonly laneTimeout: number
}

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))

/** A gateway that may have to wait for another one's end. */
interface Starting {
  readonly process: ChildProcess
  readonly url: Promise<string>
}

export class World {
  readonly folder: string
  readonly client: Client
  private readonly home: string
  private readonly options: WorldOptions
  private readonly children = new Set<ChildProcess>()
  private readonly logs: string[] = []
  private gateway: ChildProcess | null = null
  private cron: ChildProcess | null = null
  private standBy: Starting | null = null
  private readonly intended: string[] = []
  private waited: number | null = null
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

  get cronPid(): number {
    return this.cron?.pid ?? -1
  }

  /** What its processes have promised. */
  get promises(): readonly string[] {
    return this.logs
  }

  /** What its commands and its job were about to write. */
  get intents(): readonly string[] {
    return this.intended
  }

  /** The longest wait of a lock that the gateway has told of since this was asked last; null if it has told of none. */
  takeLongestWait(): number | null {
    const { waited } = this
    this.waited = null
    return waited
  }

  /** Resolves when it takes messages: the one that stands by, if there is one. After a first one, at the same port. */
  async startGateway(): Promise<void> {
    const { process, url } = this.standBy ?? this.begin()
    this.standBy = null
    this.gateway = process
    this.url = await url
  }

  async killGateway(): Promise<void> {
    await kill(this.gateway)
  }

  /** As a supervisor ends it. Answers false if it had to be killed, for it did not end in so many milliseconds. */
  async endGateway(patience: number): Promise<boolean> {
    const { gateway } = this
    if (gateway === null) return true
    const ended = once(gateway, 'exit')
    gateway.kill('SIGTERM')
    const late = setTimeout(() => gateway.kill('SIGKILL'), patience)
    const [, signal] = (await ended) as [number | null, NodeJS.Signals | null]
    clearTimeout(late)
    return signal !== 'SIGKILL'
  }

  /** A second gateway, which waits until the first one has ended. */
  startStandBy(): void {
    this.standBy ??= this.begin()
  }

  async killStandBy(): Promise<void> {
    await kill(this.standBy?.process ?? null)
    this.standBy = null
  }

  /** Tells the gateway to do something, if it can hear it. */
  order(order: Order): void {
    if (this.gateway?.connected === true) this.gateway.send(order, () => {})
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

  /** The same, killed so many milliseconds after it has begun with its work, if that takes as long. */
  async commandToKill(after: number, ...command: string[]): Promise<boolean> {
    const child = this.start({ name: 'cli', command })
    child.once('message', () => setTimeout(() => child.kill('SIGKILL'), after))
    const [code] = (await once(child, 'exit')) as [number | null]
    return code === 0
  }

  /** Kills all that runs. */
  async end(): Promise<void> {
    await Promise.all(Array.from(this.children, kill))
  }

  private begin(): Starting {
    const port = Number(new URL(this.url).port)
    const process = this.start({ name: 'gateway', port: port === 9 ? 0 : port, laneTimeout: this.options.laneTimeout })
    process.on('message', (word: string | Waited) => {
      if (typeof word !== 'string') this.waited = Math.max(this.waited ?? 0, word.waited)
    })
    const url = firstWord(process)
    url.catch(() => {}) // a stand-by that nobody asks any more
    return { process, url }
  }

  private start(part: Part): ChildProcess {
    const { provider, rules } = this.options
    const name = `${part.name}-${this.logs.length}`
    const promises = join(this.home, `${name}.promises`)
    const intents = join(this.home, `${name}.intents`)
    const setup: Setup = { folder: this.folder, provider, promises, intents, rules, part }
    const log = openSync(join(this.home, `${name}.log`), 'a')
    const child = fork(PROGRAM, {
      stdio: ['ignore', log, log, 'ipc'],
      execArgv: ['--expose-gc'],
      serialization: 'advanced', // rules may say Infinity
    })
    child.send(setup)
    closeSync(log)
    this.logs.push(promises)
    this.intended.push(intents)
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
