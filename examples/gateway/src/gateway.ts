// The gateway: sessions, the lanes in which their runs take place, and what is done in the background.
import { watch, type FSWatcher } from 'node:fs'

import type { Files } from './files.js'
import { Lanes } from './lanes.js'
import { textOf, type Log } from './log.js'
import { browserOf, gatewayOf, sessionOf, storeOf, transcriptOf, turnOf } from './places.js'
import type { Provider } from './provider.js'
import { Session, type Surroundings } from './session.js'
import type { Tools } from './tools.js'

export interface GatewayOptions {
  readonly folder: string
  readonly files: Files
  readonly provider: Provider
  readonly tools?: Tools
  readonly log: Log
  /** Milliseconds that a run may take; 120,000 by default. */
  readonly laneTimeout?: number
  /** Milliseconds between two looks for transcripts that are new or long; 5,000 by default. */
  readonly compactEvery?: number
  /** Lines of a transcript that is long; 64 by default. */
  readonly longAt?: number
}

/** At once, of each kind. */
const LANES = 5

export class Gateway {
  private readonly folder: string
  private readonly around: Surroundings
  private readonly opening = new Map<string, Promise<Session>>()
  private readonly sessions = new Map<string, Session>()
  private readonly watcher: FSWatcher | null
  private readonly background: NodeJS.Timeout
  private closed: Promise<void> | null = null

  private constructor({ folder, files, provider, log, tools = {}, ...options }: GatewayOptions) {
    const lanes = { size: LANES, timeout: options.laneTimeout ?? 120_000 }
    this.folder = folder
    this.around = {
      files,
      provider,
      tools,
      log,
      longAt: options.longAt ?? 64,
      main: new Lanes('lane=main', lanes),
      agents: new Lanes('lane=session:agent', lanes),
    }
    this.watcher = this.watch()
    this.background = setInterval(() => void this.tidy(), options.compactEvery ?? 5_000)
  }

  /** Goes on with what the last process has left: every session whose transcript is there. */
  static async open(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options)
    await Promise.all((await options.files.sessions()).map((session) => gateway.begin(session)))
    return gateway
  }

  /** Resolves when the message is on the device. It will be answered, by this gateway or the next one. */
  async accept(session: string, message: { key: string; text: string }): Promise<void> {
    if (this.closed !== null) throw new GatewayClosedError()
    await (await this.session(session)).accept(message.key, message.text)
  }

  /** What there is to be watched. */
  get state() {
    const { folder } = this
    const { main, agents } = this.around
    const locksOf = (session: string, agents: Iterable<number>) => [
      { name: 'turn', path: turnOf(folder, session, 'main') },
      { name: 'transcript', path: transcriptOf(folder, session) },
      ...Array.from(agents, (agent) => ({ name: `agent ${agent}`, path: turnOf(folder, session, `agent-${agent}`) })),
    ]
    const sessions = Array.from(this.sessions, ([id, session]) => {
      const { agents, ...state } = session.state
      return { id, ...state, locks: locksOf(id, agents) }
    })
    return {
      lanes: { main: main.state, agents: agents.state },
      sessions: sessions.sort((one, other) => (one.id < other.id ? -1 : 1)),
      shared: [
        { name: 'gateway', path: gatewayOf(folder) },
        { name: 'store', path: storeOf(folder) },
        { name: 'browser', path: browserOf(folder) },
      ],
    }
  }

  /** Ends every run, and with it what it holds and waits for. What was accepted stays in the transcripts, for the next gateway. */
  close(reason: unknown): Promise<void> {
    this.closed ??= this.end(reason)
    return this.closed
  }

  /** So sessions of other processes are noticed at once. Without it they are noticed in the background. */
  private watch(): FSWatcher | null {
    const failed = (error: unknown): void => this.around.log('folder not watched', { error: textOf(error) })
    try {
      return watch(this.folder, (_event, name) => this.notice(sessionOf(name ?? ''))).on('error', failed)
    } catch (error) {
      failed(error)
      return null
    }
  }

  /** Another process may have begun a session. */
  private notice(session: string | null): void {
    if (session !== null && this.closed === null) void this.begin(session)
  }

  /** One that cannot be opened keeps no other one from it. It is tried again when something of it is written. */
  private async begin(session: string): Promise<void> {
    try {
      await this.session(session)
    } catch (error) {
      if (this.closed === null) this.around.log('session not opened', { session, error: textOf(error) })
    }
  }

  private session(session: string): Promise<Session> {
    const opening = this.opening.get(session) ?? this.openSession(session)
    this.opening.set(session, opening)
    opening.catch(() => this.opening.delete(session))
    return opening
  }

  private async openSession(session: string): Promise<Session> {
    if (this.closed !== null) throw new GatewayClosedError()
    const files = await this.around.files.open(session)
    try {
      const opened = await Session.open({ session, path: transcriptOf(this.folder, session), files }, this.around)
      this.sessions.set(session, opened)
      return opened
    } catch (error) {
      await files.close()
      throw error
    }
  }

  private async tidy(): Promise<void> {
    const { files, log } = this.around
    const sessions = await files.sessions().catch((error: unknown) => {
      log('folder not read', { error: textOf(error) })
      return []
    })
    for (const session of sessions) this.notice(session)
    for (const [id, session] of this.sessions) {
      try {
        await session.compact()
      } catch (error) {
        if (this.closed === null) this.around.log('not compacted', { session: id, error: textOf(error) })
      }
    }
  }

  private async end(reason: unknown): Promise<void> {
    clearInterval(this.background)
    this.watcher?.close()
    await Promise.allSettled(this.opening.values())
    const closing = Array.from(this.sessions.values(), (session) => session.close())
    this.around.main.close(reason)
    this.around.agents.close(reason)
    await Promise.all(closing)
    await this.around.files.close()
  }
}

export class GatewayClosedError extends Error {
  override readonly name = 'GatewayClosedError'
  readonly code = 'GATEWAY_CLOSED'

  constructor() {
    super('The gateway is ending: send it again')
  }
}
