// Arguments in, an engine out.
import { hostname } from 'node:os'

import { entries, text } from '../arguments.js'
import { invalidType, invalidValue } from '../errors.js'
import { systemClock } from '../kernel/clock.js'
import type { PostgresAdapter } from './adapter.js'
import { databaseError } from './errors.js'
import { pgAdapter, type PgOptions } from './pg-adapter.js'
import { PostgresKernel } from './postgres-kernel.js'
import { RemoteHoldfast } from './remote-holdfast.js'
import { Sessions } from './sessions.js'
import { heartbeatOf, type HeartbeatOptions } from './settings.js'

export interface PostgresOptions {
  /** For `pg`: a connection string, or what its Client takes. It names the primary, and no pool. */
  connection?: PgOptions | undefined
  /** Another client: see postgresJsAdapter(). Instead of `connection`. */
  adapter?: PostgresAdapter | undefined
  /** Names exclude each other in one namespace only. */
  namespace: string
  heartbeat?: HeartbeatOptions | undefined
  /** What the server shows of these sessions; `holdfast:<host>:<pid>` by default. */
  application?: string | undefined
  /** The sequence of the fencing numbers, `public.holdfast_fence` by default. The same for everybody who compares numbers. */
  sequence?: string | undefined
  /** There is a pool in between, and it keeps one server process for each client for as long as that is connected. */
  pooler?: 'session' | undefined
}

const NAMES = ['connection', 'adapter', 'namespace', 'heartbeat', 'application', 'sequence', 'pooler'] as const
/** It is put into statements as it is. */
const SEQUENCE = /^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/
/** The server cuts what is longer. */
const LONGEST_APPLICATION = 63

/** Connects. Rejects where the locks of that server, through that connection, would not exclude, or the numbers do not fit. */
export async function openPostgres(options: PostgresOptions): Promise<RemoteHoldfast> {
  const { adapter, namespace, heartbeat, application, sequence, pooled } = read(options)
  const sessions = new Sessions({ adapter, clock: systemClock, heartbeat, application, sequence, pooled })
  const kernel = new PostgresKernel(namespace, heartbeat, sessions)
  try {
    await kernel.holder()
    await sessions.probe()
  } catch (error) {
    await kernel.close()
    throw databaseError(error)
  }
  return new RemoteHoldfast(kernel, systemClock)
}

function read(options: unknown) {
  const values = new Map<string, unknown>(entries(options, NAMES))
  const namespace = text('options.namespace', values.get('namespace'))
  const sequence = text('options.sequence', values.get('sequence') ?? 'public.holdfast_fence')
  if (!SEQUENCE.test(sequence))
    throw invalidValue('options.sequence', 'a name, or schema.name, in lower case', sequence)
  const pooler = values.get('pooler')
  if (pooler !== undefined && pooler !== 'session') throw invalidValue('options.pooler', `'session'`, pooler)
  const application = shown(text('options.application', values.get('application') ?? ourName()))
  return {
    adapter: adapterOf(values.get('adapter'), values.get('connection')),
    namespace,
    heartbeat: heartbeatOf(values.get('heartbeat')),
    application,
    sequence,
    pooled: pooler === 'session',
  }
}

/** As any database can show it, whatever its encoding. */
function shown(application: string): string {
  return application.replace(/[^ -~]/g, '?')
}

function ourName(): string {
  const pid = `:${process.pid}`
  return `holdfast:${hostname()}`.slice(0, LONGEST_APPLICATION - pid.length) + pid
}

function adapterOf(adapter: unknown, connection: unknown): PostgresAdapter {
  if ((adapter === undefined) === (connection === undefined)) {
    throw invalidValue('options', 'one of connection and adapter', adapter === undefined ? 'neither' : 'both')
  }
  if (adapter !== undefined) {
    if (!isAdapter(adapter)) throw invalidType('options.adapter', 'an object with a function connect()', adapter)
    return adapter
  }
  if (connection instanceof URL) return pgAdapter(connection.href) // whose own properties say nothing
  if (typeof connection !== 'string' && (typeof connection !== 'object' || connection === null)) {
    throw invalidType('options.connection', 'a connection string, or options of pg', connection)
  }
  return pgAdapter(connection)
}

function isAdapter(value: unknown): value is PostgresAdapter {
  return typeof value === 'object' && value !== null && 'connect' in value && typeof value.connect === 'function'
}
