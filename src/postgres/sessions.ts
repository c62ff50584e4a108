// How a session is begun: its settings, the proof that it is a session of its own on a server that may grant locks, and the
// statements that are prepared in it.
import { LockError } from '../errors.js'
import type { Clock } from '../kernel/clock.js'
import type { PostgresAdapter, Row } from './adapter.js'
import { databaseError, Disconnected, existsAlready, isForbidden } from './errors.js'
import { Session } from './session.js'
import { refuseUnfitServer, serverSettings, type Heartbeat } from './settings.js'
import * as statements from './statements.js'

export interface Surroundings {
  readonly adapter: PostgresAdapter
  readonly clock: Clock
  readonly heartbeat: Heartbeat
  /** What the server shows of us. */
  readonly application: string
  /** The sequence of the fencing numbers, by name. */
  readonly sequence: string
  /** There is a pool in between that keeps one server process for each of its clients. */
  readonly pooled: boolean
}

interface Sequence {
  readonly oid: number
  readonly numbers: number
}

export class Sessions {
  readonly clock: Clock
  private readonly surroundings: Surroundings
  private sequence: Sequence | null = null
  private readonly live = new Set<Session>()

  constructor(surroundings: Surroundings) {
    this.clock = surroundings.clock
    this.surroundings = surroundings
  }

  /** How many fencing numbers come with a grant. */
  get fencesAGrant(): number {
    return this.sequence?.numbers ?? 0
  }

  /** Milliseconds for which an answer is waited for. */
  get patience(): number {
    return this.surroundings.heartbeat.bound
  }

  /** A new session, ready for locks. */
  async open(): Promise<Session> {
    const { adapter, clock, heartbeat } = this.surroundings
    const session = await Session.open(adapter, clock, heartbeat)
    try {
      await this.setUp(session)
    } catch (error) {
      session.lose(error)
      throw error
    }
    for (const other of this.live) if (other.over) this.live.delete(other)
    this.live.add(session)
    return session
  }

  /** Where there is a pool, a second session at the same time shows whether it is one of sessions. */
  async probe(): Promise<void> {
    if (this.surroundings.pooled) await (await this.open()).end()
  }

  private async setUp(session: Session): Promise<void> {
    const { heartbeat, application } = this.surroundings
    await session.query(
      statements.configure({
        ...serverSettings(heartbeat),
        application_name: application,
        // A wait of ours may last, and so may a session that only keeps a lock.
        statement_timeout: '0',
        lock_timeout: '0',
        transaction_timeout: '0',
        idle_session_timeout: '0',
        idle_in_transaction_session_timeout: '0',
        // A fencing number cannot be taken in a transaction that only reads.
        default_transaction_read_only: 'off',
      }),
    )
    // So that a session that waits for a lock notices that its client is gone. Not every server's system can do it.
    await session.query(statements.configure({ client_connection_check_interval: '1000' })).catch(() => {})
    await session.query(statements.COMMIT_NUMBERS)
    await this.identify(session)
    this.sequence ??= await this.findSequence(session)
    for (const text of statements.preparations(session, this.sequence.oid)) await session.query(text)
  }

  private async identify(session: Session): Promise<void> {
    const [row] = await session.query(statements.IDENTIFY)
    const number = (column: string): number => Number(row?.[column] ?? 0)
    session.pid = number('pid')
    const started = row?.['started']
    session.started = typeof started === 'string' ? started : '' // which a user may not see who acts as another
    if (row?.['standby'] === 'true') {
      const advice =
        'its locks exclude nobody on the primary. Connect to the primary (target_session_attrs, or its own address)'
      const refusal = new LockError('ERR_LOCK_UNSUPPORTED', `The server is a standby: ${advice}`)
      // Where there has been a primary, this one may be about to become it.
      throw this.sequence === null ? refusal : new Disconnected(refusal)
    }
    const shared = [...this.live].some((other) => !other.over && other.pid === session.pid)
    if (shared)
      throw new LockError('ERR_LOCK_UNSUPPORTED', `The pool in front of the server is none of sessions: ${MIXED}`)
    if (session.processId !== session.pid && !this.surroundings.pooled) throw pooler(session)
    refuseUnfitServer(this.surroundings.heartbeat, {
      userTimeout: number('usertimeout'),
      idle: number('idle'),
      interval: number('interval'),
      count: number('count'),
    })
  }

  private async findSequence(session: Session): Promise<Sequence> {
    const name = this.surroundings.sequence
    let found = await this.lookForSequence(session)
    if (found === null) {
      const text = statements.createSequence(name)
      try {
        await session.query(text)
      } catch (cause) {
        if (isForbidden(cause)) {
          const message = `The sequence ${name} of fencing numbers is missing and may not be made by this user; have it made: ${text}; grant usage on sequence ${name} to …`
          throw new LockError('ERR_LOCK_DATABASE', message, { cause })
        }
        if (!existsAlready(cause)) throw databaseError(cause)
      }
      found = await this.lookForSequence(session)
    }
    if (found !== null) return found
    throw new LockError('ERR_LOCK_DATABASE', `The sequence ${name} of fencing numbers cannot be seen`)
  }

  private async lookForSequence(session: Session): Promise<Sequence | null> {
    const [row] = await session.query(statements.findSequence(this.surroundings.sequence))
    if (row === undefined) return null
    const flaw = flawOf(row, this.surroundings.sequence)
    if (flaw !== null)
      throw new LockError('ERR_LOCK_DATABASE', `The sequence ${this.surroundings.sequence} of fencing numbers ${flaw}`)
    return { oid: Number(row['oid']), numbers: Math.min(Number(row['increment']), statements.FENCES_A_GRANT) }
  }
}

/** Why later grants might not have larger numbers, or none at all; null where they have. */
function flawOf(row: Row, name: string): string | null {
  if (!(Number(row['increment']) >= 1)) return 'does not grow'
  if (row['cycle'] === 'true') return `begins again at its end: alter sequence ${name} no cycle`
  if (Number(row['cache']) > 1) return `gives each session numbers in advance: alter sequence ${name} cache 1`
  if (row['persistence'] !== 'p')
    return 'does not survive a crash of the server: it must be neither unlogged nor temporary'
  if (row['usable'] !== 'true') return `may not be used by this user: grant usage on sequence ${name} to …`
  return null
}

const MIXED = 'it gave one server process to two sessions at one time. Connect to the server directly'

function pooler(session: Session): LockError {
  const seen = `the client was told of server process ${session.processId}, and ${session.pid} answers`
  const advice =
    'A pool that gives a server process to whoever has something to do loses and mixes up session locks. Connect to the server directly; ' +
    "or, if the pool keeps one server process for each client (session pooling), say so with pooler: 'session'"
  return new LockError('ERR_LOCK_UNSUPPORTED', `There is a pool in front of the server: ${seen}. ${advice}`)
}
