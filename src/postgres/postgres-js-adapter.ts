// The adapter for `postgres` (postgres.js). Each connection is a pool of one, of which that one is reserved: it must not be
// given back for being old or idle, nor be shared. The client's query method crashes the process when it is called on a
// connection that has ended, so that is seen here first.
import { connect as connectSocket, type Socket } from 'node:net'

import type { PostgresAdapter, PostgresConnection, Row } from './adapter.js'

interface Result extends Iterable<Row | undefined> {
  readonly state?: { readonly pid?: number }
}

interface Reserved {
  unsafe(text: string): PromiseLike<Result>
}

interface Sql extends Reserved {
  reserve(): Promise<Reserved>
  end(options: { timeout: number }): Promise<void>
}

interface Target {
  readonly path?: string | false
  readonly host: readonly string[]
  readonly port: readonly number[]
}

/** `options` is what the client takes besides a connection string. */
export function postgresJsAdapter(
  postgres: (url: string, options: object) => object,
  url: string,
  options: object = {},
): PostgresAdapter {
  return {
    async connect(ended, signal) {
      let socket: Socket | undefined
      let over = false
      const end = (cause: unknown): void => {
        if (over) return
        over = true
        ended(cause)
      }
      const sql = asSql(
        postgres(url, {
          ...options,
          max: 1,
          max_lifetime: null,
          idle_timeout: null,
          fetch_types: false,
          prepare: false,
          onnotice: () => {},
          onclose: () => end(new Error('the connection was closed')),
          socket: async (target: Target) => {
            socket = await opened(target, signal)
            socket.on('error', end)
            return socket
          },
        }),
      )
      const destroy = (): void => {
        over = true
        // A statement that was asked for just now is written at the end of this turn of the event loop, and that would be an
        // error that nobody can catch.
        setImmediate(() => setImmediate(() => socket?.destroy()))
        void sql.end({ timeout: 0 }).catch(() => {})
      }
      try {
        // First a statement: reserve() never answers where it has to connect by itself and may not ask for types.
        const { state } = await sql.unsafe('select 1')
        const reserved = await sql.reserve()
        return new PostgresJsConnection(reserved, sql, state?.pid ?? 0, () => over, destroy)
      } catch (error) {
        destroy()
        throw error
      }
    },
  }
}

class PostgresJsConnection implements PostgresConnection {
  readonly processId: number
  private readonly reserved: Reserved
  private readonly sql: Sql
  private readonly isOver: () => boolean
  readonly destroy: () => void

  constructor(reserved: Reserved, sql: Sql, processId: number, isOver: () => boolean, destroy: () => void) {
    this.reserved = reserved
    this.sql = sql
    this.processId = processId
    this.isOver = isOver
    this.destroy = destroy
  }

  async query(text: string): Promise<readonly Row[]> {
    if (this.isOver()) throw new Error('the connection has ended')
    const rows = [...(await this.reserved.unsafe(text))]
    // After a statement that failed behind its first row, those of the next one come after holes.
    return rows.filter((row) => row !== undefined)
  }

  end(): Promise<void> {
    return this.sql.end({ timeout: 0 })
  }
}

function asSql(value: object): Sql {
  if (!isSql(value)) throw new TypeError('postgres must be the function that the package of that name exports')
  return value
}

function isSql(value: object): value is Sql {
  return 'reserve' in value && 'end' in value && 'unsafe' in value
}

/** The first host that answers. */
async function opened({ path, host, port }: Target, signal: AbortSignal): Promise<Socket> {
  let failure: unknown
  for (const [index, name] of (typeof path === 'string' ? [path] : host).entries()) {
    try {
      const to = typeof path === 'string' ? { path } : { port: port[index] ?? 5432, host: name }
      const socket = connectSocket({ ...to, signal })
      return Object.assign(await once(socket), { host: name }) // by which the client checks a certificate
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function once(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
