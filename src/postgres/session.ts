// One session on the server: statements one after another, and whether it is sure to live.
//
// It lives for sure until `bound` milliseconds after the latest moment at which the server is known to have heard of us: a
// statement that was answered had arrived after it was sent. A statement that waits for a lock proves nothing while it waits.
// Past the bound the session is given up: its connection is cut, and whoever keeps something in it is told. A session that has
// ended is never used again.
import { randomBytes } from 'node:crypto'

import type { Clock, Timer } from '../kernel/clock.js'
import type { PostgresAdapter, PostgresConnection, Row } from './adapter.js'
import { Disconnected, endsSession } from './errors.js'
import { ageOf, later, momentOf, type Moment } from './moment.js'
import type { Heartbeat } from './settings.js'
import { BEAT, type Prepared } from './statements.js'

interface Statement {
  readonly text: string
  /** It may wait for a lock, for ever. */
  readonly patient: boolean
  readonly resolve: (rows: readonly Row[]) => void
  readonly reject: (error: unknown) => void
  sent: Moment | null
}

export interface Identity {
  readonly pid: number
  /** When the server began it, by its own clock, as text. */
  readonly started: string
}

export class Session implements Identity, Prepared {
  readonly token = randomBytes(8).toString('hex')
  pid = 0
  started = ''
  /** What the server told the client. Not equal to `pid` where something is in between. */
  readonly processId: number
  /** Called once, when it has ended, whatever ended it. */
  onEnd: (cause: unknown) => void = () => {}
  private readonly connection: PostgresConnection
  private readonly clock: Clock
  private readonly heartbeat: Heartbeat
  private readonly statements: Statement[] = []
  private running: Statement | null = null
  private proven: Moment
  private cause: Disconnected | null = null
  /** How many locks are kept in it. */
  private kept = 0
  private timer: Timer | null = null

  private constructor(connection: PostgresConnection, clock: Clock, heartbeat: Heartbeat) {
    this.connection = connection
    this.processId = connection.processId
    this.clock = clock
    this.heartbeat = heartbeat
    this.proven = momentOf(clock)
  }

  /** Connects; nothing is asked of the server yet. */
  static async open(adapter: PostgresAdapter, clock: Clock, heartbeat: Heartbeat): Promise<Session> {
    const opening: { session: Session | null; ended: { cause: unknown } | null } = { session: null, ended: null }
    const patience = new AbortController()
    const connecting = adapter.connect((cause) => {
      opening.ended ??= { cause }
      opening.session?.lose(cause)
    }, patience.signal)
    let timer: Timer | undefined
    const late = new Promise<never>((_, reject) => {
      timer = clock.background(heartbeat.bound, () => {
        reject(new Disconnected(new Error(`no connection within ${heartbeat.bound} ms`)))
        patience.abort()
      })
    })
    try {
      const connection = await Promise.race([connecting, late])
      const session = new Session(connection, clock, heartbeat)
      opening.session = session
      if (opening.ended !== null) session.lose(opening.ended.cause)
      return session
    } catch (error) {
      void connecting.then(
        (connection) => connection.destroy(),
        () => {},
      )
      throw error
    } finally {
      timer?.cancel()
    }
  }

  get over(): boolean {
    return this.cause !== null
  }

  /** By the clock alone: whether what is kept here is kept for sure. */
  get alive(): boolean {
    return this.cause === null && ageOf(this.proven, this.clock) < this.heartbeat.bound
  }

  /** It was proven so recently that the next sign of life comes in time. */
  get fresh(): boolean {
    return this.cause === null && ageOf(this.proven, this.clock) < this.heartbeat.every
  }

  /** The server is known to have heard of us, or to have reached us, at that moment. */
  prove(moment: Moment): void {
    this.proven = later(this.proven, moment)
  }

  /** Something is kept in it from now on, so it shows signs of life. */
  keep(): void {
    this.kept++
    this.watch()
  }

  letGo(): void {
    this.kept--
  }

  query(text: string, patient = false): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      if (this.cause !== null) {
        reject(this.cause)
        return
      }
      this.statements.push({ text, patient, resolve, reject, sent: null })
      this.next()
    })
  }

  /** The same of a statement that has so many rows. With any other number of them nobody knows what was done: the session is given up. */
  rows(text: string, count: number): Promise<readonly Row[]> {
    return this.query(text).then((rows) => {
      if (rows.length === count) return rows
      this.lose(new Error(`${rows.length} rows were answered instead of ${count}`))
      throw this.cause ?? new Disconnected(undefined)
    })
  }

  /** The same for one row of one column. */
  ask(text: string, column: string): Promise<string | null> {
    return this.rows(text, 1).then(([row]) => {
      const value = row?.[column]
      return typeof value === 'string' ? value : null
    })
  }

  /** One statement more, whatever was asked: it proves that the session lives. */
  async beat(): Promise<void> {
    const pid = await this.ask(BEAT, 'pid')
    if (Number(pid) === this.pid) return
    this.lose(new Error(`another server process answers: ${pid} instead of ${this.pid}`))
    throw this.cause ?? new Disconnected(undefined)
  }

  async end(): Promise<void> {
    if (this.cause !== null) return
    const goodbye = this.connection.end()
    this.close(new Error('closed'))
    const timer = this.clock.background(this.heartbeat.bound, () => this.connection.destroy())
    await goodbye.catch(() => {})
    timer.cancel()
  }

  /** It is given up, and the connection cut: first everybody is told, for the server frees what was kept as soon as it sees that. */
  lose(cause: unknown): void {
    if (this.cause !== null) return
    try {
      this.close(cause)
    } finally {
      this.connection.destroy()
    }
  }

  private close(cause: unknown): void {
    const error = new Disconnected(cause)
    this.cause = error
    this.timer?.cancel()
    this.timer = null
    const statements = this.statements.splice(0)
    if (this.running !== null) statements.unshift(this.running)
    this.running = null
    // First those who keep something, then those who asked for more.
    this.onEnd(cause)
    for (const { reject } of statements) reject(error)
  }

  private next(): void {
    if (this.running !== null) return
    const statement = this.statements.shift()
    if (statement === undefined) return
    this.running = statement
    statement.sent = momentOf(this.clock)
    this.watch()
    const { sent } = statement
    this.connection.query(statement.text).then(
      (rows) => {
        if (this.running !== statement) return // the session has ended meanwhile, and has said so
        this.running = null
        this.prove(sent)
        statement.resolve(rows)
        this.next()
      },
      (error: unknown) => {
        if (this.running !== statement) return
        if (endsSession(error)) {
          this.lose(error)
          return
        }
        this.running = null
        statement.reject(error)
        this.next()
      },
    )
  }

  /** Looks again and again, as long as anything depends on the session. */
  private watch(): void {
    if (this.timer !== null || this.cause !== null) return
    const { every, bound } = this.heartbeat
    // What it keeps may be proven by a statement that was sent long ago: so the next sign of life is counted from that.
    const rest = (this.running === null ? every : bound) - this.silence
    this.timer = this.clock.background(Math.max(1, Math.min(every, rest)), () => {
      this.timer = null
      if (this.cause !== null || (this.kept === 0 && (this.running === null || this.running.patient))) return
      if (this.silence >= bound) {
        this.lose(new Error(`no answer within ${bound} ms`))
        return
      }
      if (this.running === null) this.beat().catch(() => {})
      this.watch()
    })
  }

  /** Milliseconds for which the server may have heard nothing, counted where an answer is due. */
  private get silence(): number {
    const sent = this.running?.patient === false ? this.running.sent : null
    const since = this.kept > 0 || sent === null ? this.proven : sent
    return ageOf(since, this.clock)
  }
}
