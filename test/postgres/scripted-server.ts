// A server that answers what a test has written for it: what a real one can hardly be made to say. Without a script it is one
// that nobody else uses: every try is granted, every wait is left waiting.
import type { PostgresAdapter, PostgresConnection, Row } from '../../src/postgres/adapter.js'

/** As the fencing numbers need it. */
export const GOOD_SEQUENCE = { oid: '1', increment: '16', cache: '1', cycle: 'false', persistence: 'p', usable: 'true' }

/** Rows, an error, or null: it waits until the test answers. */
export type Reply = readonly Row[] | Error | null

interface Asked {
  readonly text: string
  readonly pid: number
  resolve(rows: readonly Row[]): void
  reject(error: unknown): void
}

export class ScriptedServer implements PostgresAdapter {
  /** Every statement, and of which connection. */
  readonly sent: { readonly pid: number; readonly text: string }[] = []
  readonly connections: ScriptedConnection[] = []
  /** What the next attempts to connect meet, one after another. */
  readonly unreachable: Error[] = []
  /** Attempts to connect get no answer until then. */
  silence: Promise<void> | null = null
  private readonly script: { readonly pattern: RegExp; readonly replies: Reply[] }[] = []
  private readonly waiting = new Set<Asked>()
  private fence = 0

  async connect(ended: (cause: unknown) => void): Promise<ScriptedConnection> {
    const failure = this.unreachable.shift()
    if (failure !== undefined) throw failure
    if (this.silence !== null) await this.silence
    const connection = new ScriptedConnection(this, this.connections.length + 1, ended)
    this.connections.push(connection)
    return connection
  }

  /** What the next statements like that are answered, before it is again as without a script. */
  next(pattern: RegExp, ...replies: Reply[]): void {
    this.script.push({ pattern, replies })
  }

  /** How often it was sent. */
  count(pattern: RegExp): number {
    return this.sent.filter(({ text }) => pattern.test(text)).length
  }

  /** The one that waits for an answer. */
  asked(pattern: RegExp): Asked {
    const found = [...this.waiting].find(({ text }) => pattern.test(text))
    if (found === undefined) throw new Error(`nothing like ${pattern} waits for an answer`)
    this.waiting.delete(found)
    return found
  }

  hear(pid: number, text: string): Promise<readonly Row[]> {
    this.sent.push({ pid, text })
    const line = this.script.find(({ pattern, replies }) => replies.length > 0 && pattern.test(text))
    const scripted = line?.replies.shift()
    const reply = scripted === undefined ? this.usual(pid, text) : scripted
    if (reply instanceof Error) return Promise.reject(reply)
    if (reply !== null) return Promise.resolve(reply)
    return new Promise((resolve, reject) => this.waiting.add({ text, pid, resolve, reject }))
  }

  private usual(pid: number, text: string): Reply {
    if (text.includes('pg_is_in_recovery')) return [{ pid: String(pid), standby: 'false', started: `began ${pid}` }]
    if (text.includes('from pg_sequence')) return [GOOD_SEQUENCE]
    if (text.includes('pg_cancel_backend')) return [{ done: 'true' }]
    if (text.includes('pg_backend_pid()')) return [{ pid: String(pid) }]
    if (text.includes('where pid in')) return this.connections.map(({ processId }) => described(processId))
    if (text.startsWith('execute try_')) return [{ fence: this.number() }]
    if (text.startsWith('execute wait_')) return null
    if (text.startsWith('execute ')) return [{ done: 'true' }]
    return []
  }

  /** A fencing number, as it comes with a grant. */
  number(): string {
    return String((this.fence += 16))
  }
}

export class ScriptedConnection implements PostgresConnection {
  readonly processId: number
  readonly ended: (cause: unknown) => void
  state: 'open' | 'ended' | 'destroyed' = 'open'
  private readonly server: ScriptedServer

  constructor(server: ScriptedServer, processId: number, ended: (cause: unknown) => void) {
    this.server = server
    this.processId = processId
    this.ended = ended
  }

  query(text: string): Promise<readonly Row[]> {
    return this.server.hear(this.processId, text)
  }

  end(): Promise<void> {
    this.state = 'ended'
    return Promise.resolve()
  }

  destroy(): void {
    this.state = 'destroyed'
  }
}

function described(pid: number): Row {
  return { pid: String(pid), started: `began ${pid}` }
}

/** As the server says it. */
export function refusal(code: string): Error {
  return Object.assign(new Error(`refused with ${code}`), { code, severity: 'ERROR' })
}

/** Everything that was due has run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
