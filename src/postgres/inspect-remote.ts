// Who holds a lock, as the server tells.
import type { PostgresKernel } from './postgres-kernel.js'
import { keyOf } from './key.js'
import { databaseError } from './errors.js'
import * as statements from './statements.js'
import type { Row } from './adapter.js'

export interface RemoteHolder {
  readonly mode: 'exclusive' | 'shared'
  /** The server's own process for that session. */
  readonly session: number
  /** What the session calls itself: `holdfast:<host>:<pid>` by default. */
  readonly application: string
  /** The host and process that hold it, where the session calls itself so; else null. */
  readonly host: string | null
  readonly pid: number | null
  /** From where the session comes; null on the server's own host. */
  readonly address: string | null
  /** When the session began; null where this user may not see it. */
  readonly connected: Date | null
}

export interface RemoteLockState {
  readonly state: 'free' | 'held'
  readonly holders: readonly RemoteHolder[]
  /** How many sessions wait for it, each for one process or more. */
  readonly waiting: number
}

export async function inspectRemote(kernel: PostgresKernel, name: string): Promise<RemoteLockState> {
  try {
    const holder = await kernel.holder()
    const rows = await holder.query(statements.holders(keyOf(kernel.namespace, name)))
    const has = (row: Row): boolean => row['granted'] === 'true' && row['lock'] === 'true'
    const holders = rows.filter(has).map(holderOf)
    const waiting = rows.filter((row) => row['granted'] !== 'true').length
    return { state: holders.length > 0 ? 'held' : 'free', holders, waiting }
  } catch (error) {
    throw databaseError(error, name)
  }
}

function holderOf(row: Row): RemoteHolder {
  const application = text(row['application']) ?? ''
  const [, host, pid] = /^holdfast:(.*):(\d+)$/.exec(application) ?? []
  const started = text(row['started'])
  return {
    mode: row['mode'] === 'ShareLock' ? 'shared' : 'exclusive',
    session: Number(row['pid']),
    application,
    host: host ?? null,
    pid: pid === undefined ? null : Number(pid),
    address: text(row['address']),
    connected: started === null ? null : new Date(Number(started)),
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
