/// <reference lib="esnext.disposable" preserve="true" />
// The public names of the PostgreSQL engine: one lock for processes on many hosts.
export { openPostgres, type PostgresOptions } from './postgres/open.js'
export { RemoteHoldfast, type RemoteAcquireOptions, type RemoteTryOptions } from './postgres/remote-holdfast.js'
export type { RemoteHolder, RemoteLockState } from './postgres/inspect-remote.js'
export type { HeartbeatOptions } from './postgres/settings.js'
export type { PostgresAdapter, PostgresConnection, Row } from './postgres/adapter.js'
export { pgAdapter, type PgOptions } from './postgres/pg-adapter.js'
export { postgresJsAdapter } from './postgres/postgres-js-adapter.js'
