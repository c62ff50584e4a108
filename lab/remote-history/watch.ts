// What the server and the system say themselves, a few times a second: which locks anybody has or waits for, and how many
// connections each process has.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

import { now } from '../history/events.js'
import type { Victim } from '../history/nemesis.js'
import type { Keys } from './keys.js'
import { numberOfApplication } from './plan.js'
import type { PostgresServer } from './server.js'

export interface Sample {
  /** Nanoseconds since the beginning of the history: before the server was asked, and after it had answered. */
  readonly from: number
  readonly to: number
  /** Files of which somebody has or wants the lock. */
  readonly busy: readonly number[]
  /** By process: what the server knows, and what the process itself has. */
  readonly sessions: Readonly<Record<number, number>>
  readonly sockets: Readonly<Record<number, number>>
}

/** A row of pg_locks. */
export interface LockRow {
  readonly application: string | null
  readonly pid: number
  readonly classid: string
  readonly objid: string
  readonly mode: string
  readonly granted: boolean
}

export const LOCKS = `select application_name as application, l.pid, classid, objid, mode, granted
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid where locktype = 'advisory' and objsubid = 1`

const SESSIONS = `select application_name as application, count(*)::int from pg_stat_activity
  where application_name like 'lab:%' group by 1`

export async function sample(
  server: PostgresServer,
  keys: Keys,
  base: bigint,
  processes: readonly Victim[],
): Promise<Sample> {
  const from = Number(now() - base)
  const rows = await server.query<LockRow>(LOCKS)
  const counts = await server.query<{ application: string; count: number }>(SESSIONS)
  const to = Number(now() - base)
  const busy = new Set(rows.map((row) => keys.find(row)?.file ?? -1))
  const sockets = processes.map(({ number, pid }): [number, number] => [number, connections(pid, server.port)])
  return {
    from,
    to,
    busy: [...busy],
    sessions: Object.fromEntries(counts.map(({ application, count }) => [numberOfApplication(application), count])),
    sockets: Object.fromEntries(sockets),
  }
}

const ESTABLISHED = '01'

/** Of a process, to a port. Where the system does not tell: none. */
function connections(pid: number, port: number): number {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  try {
    const established = readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , remote, state]) => remote?.endsWith(`:${wanted}`) === true && state === ESTABLISHED)
      .map((fields) => `socket:[${fields[9]}]`)
    const open = readdirSync(`/proc/${pid}/fd`).map((name) => linkOf(`/proc/${pid}/fd/${name}`))
    return open.filter((link) => established.includes(link)).length
  } catch {
    return 0
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}
