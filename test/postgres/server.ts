// A PostgreSQL server of a test's own, and whether this machine can have one.
import { baseBackup as found, server } from '../../lab/remote-history/server.js'
import type { Capability } from '../helpers/capabilities.js'

export { PostgresServer } from '../../lab/remote-history/server.js'

export const postgresServer: Capability = server
export const baseBackup: Capability = found
