// A folder of sessions with everybody who uses it: a gateway, a job, now and then the command line, and clients.
import { fork, type ChildProcess } from 'node:child_process'
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

/** How a process ended. */
interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What the world wants a process to do: to go on, to end in its own time, or to be gone. */
type Wanted = 'on' | 'end' | 'gone'

interface Child {
  readonly process: ChildProcess
  /** Never rejects, and is there from the start on: nobody can come too late for it. */
  readonly exited: Promise<End>
  wanted: Wanted
}

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))

/** A gateway that may have to wait for another one's end. */
interface Starting {
  readonly child: Child
  readonly url: Promise<string>
}

export class World {
  readonly folder: string
  readonly client: Client
  private readonly home: string
  private readonly options: WorldOptions
  private readonly children = new Set<Child>()
  private readonly logs: string[] = []
  private readonly ends: string[] = []
  private gateway: Child | null = null
  private cron: Child | null = null
  private standBy: Starting | null = null
  /** Whoever waits for its first word hears of its end. */
  private awaited: Child | null = null
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
    return this.gateway?.process.pid ?? -1
  }

  get cronPid(): number {
    return this.cron?.process.pid ?? -1
  }

  get standByPid(): number {
    return this.standBy?.child.process.pid ?? -1
  }

  /** What its processes have promised. */
  get promises(): readonly string[] {
    return this.logs
  }

  /** What its commands and its job were about to write. */
  get intents(): readonly string[] {
    return this.intended
  }

  /**
   * The gateways, jobs and stand-bys that ended without being asked to, or otherwise than they were asked to, and how. One
   * that did not come to its first word is told to who started it instead.
   */
  get unasked(): readonly string[] {
    return this.ends
  }

  /** The longest wait of a lock that the gateway has told of since this was asked last; null if it has told of none. */
  takeLongestWait(): number | null {
    const { waited } = this
    this.waited = null
    return waited
  }

  /** Resolves when it takes messages: the one that stands by, if there is one. After a first one, at the same port. */
  async startGateway(): Promise<void> {
    const { child, url } = this.standBy ?? this.begin()
    this.standBy = null
    this.gateway = child
    this.url = await this.heard(child, url)
  }

  async killGateway(): Promise<void> {
    await kill(this.gateway)
  }

  /**
   * As a supervisor ends it. Answers false if it had to be killed, for it did not end in so many milliseconds. One that has
   * ended before needs no end.
   */
  async endGateway(patience: number): Promise<boolean> {
    const { gateway } = this
    if (gateway === null) return true
    if (gateway.wanted === 'on') gateway.wanted = 'end'
    gateway.process.kill('SIGTERM')
    let isLate = false
    const late = setTimeout(() => {
      isLate = true
      void kill(gateway)
    }, patience)
    await gateway.exited
    clearTimeout(late)
    return !isLate
  }

  /** A second gateway, which waits until the first one has ended. */
  startStandBy(): void {
    this.standBy ??= this.begin()
  }

  async killStandBy(): Promise<void> {
    await kill(this.standBy?.child ?? null)
    this.standBy = null
  }

  /** Tells the gateway to do something, if it can hear it. */
  order(order: Order): void {
    if (this.gateway !== null) tell(this.gateway, order)
  }

  async startCron(sessions: readonly string[], every: number): Promise<void> {
    const child = this.start({ name: 'cron', sessions, every })
    this.cron = child
    await this.heard(child, firstWord(child))
  }

  /** Lets it finish what it does. One that has ended before needs no end. */
  async endCron(): Promise<void> {
    const { cron } = this
    if (cron === null) return
    if (cron.wanted === 'on') cron.wanted = 'end'
    tell(cron, 'end')
    await cron.exited
  }

  /** Answers whether the command did what it was to do. */
  async command(...command: string[]): Promise<boolean> {
    const { code } = await this.start({ name: 'cli', command }).exited
    return code === 0
  }

  /** The same, killed so many milliseconds after it has begun with its work, if that takes as long. */
  async commandToKill(after: number, ...command: string[]): Promise<boolean> {
    const child = this.start({ name: 'cli', command })
    child.process.once('message', () => setTimeout(() => void kill(child), after))
    const { code } = await child.exited
    return code === 0
  }

  /** Kills all that runs. */
  async end(): Promise<void> {
    await Promise.all(Array.from(this.children, kill))
  }

  private begin(): Starting {
    const port = Number(new URL(this.url).port)
    const child = this.start({ name: 'gateway', port: port === 9 ? 0 : port, laneTimeout: this.options.laneTimeout })
    child.process.on('message', (word: string | Waited) => {
      if (typeof word !== 'string') this.waited = Math.max(this.waited ?? 0, word.waited)
    })
    const url = firstWord(child)
    url.catch(() => {}) // a stand-by that nobody asks any more
    return { child, url }
  }

  private async heard(child: Child, word: Promise<string>): Promise<string> {
    this.awaited = child
    try {
      return await word
    } finally {
      this.awaited = null
    }
  }

  private start(part: Part): Child {
    const { provider, rules } = this.options
    const name = `${part.name}-${this.logs.length}`
    const promises = join(this.home, `${name}.promises`)
    const intents = join(this.home, `${name}.intents`)
    const setup: Setup = { folder: this.folder, provider, promises, intents, rules, part }
    const log = openSync(join(this.home, `${name}.log`), 'a')
    const process = fork(PROGRAM, {
      stdio: ['ignore', log, log, 'ipc'],
      execArgv: ['--expose-gc'],
      serialization: 'advanced', // rules may say Infinity
    })
    closeSync(log)
    const child: Child = { process, exited: endOf(process), wanted: 'on' }
    tell(child, setup)
    this.logs.push(promises)
    this.intended.push(intents)
    this.children.add(child)
    void child.exited.then((end) => {
      this.children.delete(child)
      if (part.name !== 'cli') this.note(child, part.name, end)
    })
    return child
  }

  private note(child: Child, part: 'gateway' | 'cron', end: End): void {
    if (isAsWanted(child.wanted, end) || child === this.awaited) return
    const name = part === 'cron' ? 'job' : child === this.standBy?.child ? 'stand-by' : 'gateway'
    this.ends.push(`${name} ${child.process.pid ?? -1} ended with ${textOf(end)}`)
  }
}

/** A process that exits by itself with anything but 0 has failed, whatever was wanted of it. */
function isAsWanted(wanted: Wanted, { code, signal }: End): boolean {
  switch (wanted) {
    case 'on':
      return false
    case 'end':
      return code === 0 || signal === 'SIGTERM' // where nobody can hear of that signal, it ends the process
    case 'gone':
      return isAsWanted('end', { code, signal }) || signal === 'SIGKILL'
  }
}

function textOf({ code, signal }: End): string {
  return String(code ?? signal ?? 'nothing: it never began')
}

function endOf(process: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    process.once('exit', (code, signal) => resolve({ code, signal }))
    process.on('error', () => {
      if (process.pid === undefined) resolve({ code: null, signal: null }) // it never began
    })
  })
}

/** Says something to a process, if it can hear it. */
function tell({ process }: Child, word: Setup | Order | 'end'): void {
  if (process.connected) process.send(word, () => {})
}

/** What the process says first. Rejects if it ends before that. */
function firstWord({ process, exited }: Child): Promise<string> {
  return new Promise((resolve, reject) => {
    process.once('message', resolve)
    void exited.then((end) => reject(new Error(`a process of the demo ended with ${textOf(end)}`)))
  })
}

async function kill(child: Child | null): Promise<void> {
  if (child === null) return
  child.wanted = 'gone'
  child.process.kill('SIGKILL')
  await child.exited
}
