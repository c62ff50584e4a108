// The adapter for `pg` (node-postgres), which is loaded when the first connection is made.
import { Socket } from 'node:net'

import type { PostgresAdapter, PostgresConnection, Row } from './adapter.js'

/** What `new Client()` of pg takes: a connection string, or its options. */
export type PgOptions = string | object

export function pgAdapter(options: PgOptions): PostgresAdapter {
  const config = typeof options === 'string' ? { connectionString: options } : options
  return {
    async connect(ended, signal) {
      const { default: pg } = await import('pg')
      // Of our own, so that it can be cut: pg's end() says goodbye, and waits for an answer.
      const socket = new Socket()
      const client = new pg.Client({ ...config, query_timeout: 0, stream: () => socket })
      let over = false
      const end = (cause: unknown): void => {
        if (over) return
        over = true
        ended(cause)
      }
      client.on('error', end)
      client.on('end', () => end(new Error('the connection was closed')))
      const cut = (): void => void socket.destroy()
      signal.addEventListener('abort', cut)
      try {
        signal.throwIfAborted()
        await client.connect()
      } catch (error) {
        over = true
        cut()
        throw error
      } finally {
        signal.removeEventListener('abort', cut)
      }
      return new PgConnection(client, socket)
    },
  }
}

/** As much of a client as is used here. */
interface Client {
  readonly processID?: number | null
  query(text: string): Promise<{ readonly rows: readonly Row[] }>
  end(): Promise<void>
}

class PgConnection implements PostgresConnection {
  readonly processId: number
  private readonly client: Client
  private readonly socket: Socket

  constructor(client: Client, socket: Socket) {
    this.client = client
    this.socket = socket
    this.processId = client.processID ?? 0
  }

  query(text: string): Promise<readonly Row[]> {
    return this.client.query(text).then(({ rows }) => rows)
  }

  end(): Promise<void> {
    return this.client.end()
  }

  destroy(): void {
    this.socket.destroy()
  }
}
