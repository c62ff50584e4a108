// A client of the database of which one statement goes wrong, in each way in which one can: before the server has heard of it
// or after it was done, with an error, with the end of the connection, or with silence.
import type { PostgresAdapter, PostgresConnection, Row } from '../../src/postgres/adapter.js'

export const faults = ['refused', 'refused when done', 'cut', 'cut when done', 'silent', 'silent when done'] as const
export type Fault = (typeof faults)[number]

/** As a server says it of a statement that it was asked to cancel; nobody can tell whether that came too late. */
const canceled = (): Error => Object.assign(new Error('canceled'), { code: '57014', severity: 'ERROR' })
const broken = (): Error => Object.assign(new Error('broken'), { code: 'XX000', severity: 'ERROR' })

interface Wire {
  silent: boolean
  readonly ended: (cause: unknown) => void
}

/** After so long the server drops a session of which it hears nothing. */
const PATIENCE = 250

export class Saboteur implements PostgresAdapter {
  private readonly adapter: PostgresAdapter
  private readonly fault: Fault
  /** Of the statements that match, from when it is armed on, that one goes wrong. */
  private readonly which: number
  private readonly pattern: RegExp
  private seen = 0
  private armed = false

  constructor(adapter: PostgresAdapter, fault: Fault, which: number, pattern: RegExp) {
    this.adapter = adapter
    this.fault = fault
    this.which = which
    this.pattern = pattern
  }

  arm(): void {
    this.armed = true
  }

  /** Whether there was such a statement. */
  get struck(): boolean {
    return this.seen >= this.which
  }

  async connect(ended: (cause: unknown) => void, signal: AbortSignal): Promise<PostgresConnection> {
    const wire: Wire = { silent: false, ended }
    const connection = await this.adapter.connect((cause) => {
      if (!wire.silent) ended(cause)
    }, signal)
    return {
      processId: connection.processId,
      query: (text) => (wire.silent ? nothing() : this.query(connection, wire, text)),
      end: () => connection.end(),
      destroy: () => connection.destroy(),
    }
  }

  private query(connection: PostgresConnection, wire: Wire, text: string): Promise<readonly Row[]> {
    if (!this.armed || !this.pattern.test(text) || ++this.seen !== this.which) return connection.query(text)
    return this.spoil(connection, wire, text)
  }

  private async spoil(connection: PostgresConnection, wire: Wire, text: string): Promise<readonly Row[]> {
    if (this.fault.endsWith('when done')) await connection.query(text).catch(() => {})
    switch (this.fault) {
      case 'refused':
        throw broken()
      case 'refused when done':
        throw canceled()
      case 'cut':
      case 'cut when done':
        connection.destroy()
        wire.ended(new Error('cut')) // first, as clients do
        throw new Error('cut')
      default:
        wire.silent = true
        setTimeout(() => connection.destroy(), PATIENCE)
        return await nothing()
    }
  }
}

function nothing(): Promise<never> {
  return new Promise(() => {})
}
