// Connections for the data. They are others than that of the locks, so a lock may be lost while its data's connection lives,
// and the other way round; what is written is safe in both cases, because the fence decides.
import pg from 'pg'

/** Milliseconds, as the `heartbeat` of the locks. */
export interface Patience {
  readonly every: number
  readonly answer: number
  readonly server: number
}

/**
 * A host that is cut off in the middle of a transaction keeps the rows that it has changed, the one of the fence first, for as
 * long as the server believes in it. So the server is told to believe no longer than it does in the case of a lock: of a
 * network that is silent, and of a process that stands still in the middle.
 */
export function openPool(connectionString: string, { server }: Patience): pg.Pool {
  const seconds = Math.ceil(server / 1000)
  const settings = {
    tcp_user_timeout: server,
    tcp_keepalives_idle: Math.max(1, Math.floor(seconds / 3)),
    tcp_keepalives_interval: Math.max(1, Math.floor(seconds / 5)),
    tcp_keepalives_count: 4,
    idle_in_transaction_session_timeout: server,
  }
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  const pool = new pg.Pool({
    connectionString,
    max: 4,
    options: options.join(' '),
    connectionTimeoutMillis: server,
    query_timeout: server,
  })
  pool.on('error', () => {}) // of one that nobody uses: the pool opens another
  return pool
}
