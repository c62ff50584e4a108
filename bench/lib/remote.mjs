// What the rows about locks on servers share: the servers, and who is compared on which of them.
import { nodeCyclist } from './cyclists.mjs'
import { startPostgres } from './postgres.mjs'
import { startRedis } from './redis.mjs'

export const BARE_PG = { name: 'two bare queries, pg', contender: 'advisory-functions-pg', server: 'postgres' }
export const BARE_POSTGRES_JS = {
  name: 'two bare queries, postgres.js',
  contender: 'advisory-functions-postgres-js',
  server: 'postgres',
}
export const OURS_PG = { name: 'holdfast/postgres, pg', contender: 'holdfast-postgres-pg', server: 'postgres' }
export const OURS_POSTGRES_JS = {
  name: 'holdfast/postgres, postgres.js',
  contender: 'holdfast-postgres-postgres-js',
  server: 'postgres',
}
/** Ours, which waits until the database has answered that it let go. */
export const OURS_FLUSHED = {
  name: 'holdfast/postgres, pg, and flush()',
  contender: 'holdfast-postgres-flushed',
  server: 'postgres',
}
/** Ours, with a heartbeat as short as is sensible. */
export const OURS_SHORT = {
  name: 'holdfast/postgres, heartbeat.server 3,000 ms',
  contender: 'holdfast-postgres-short',
  server: 'postgres',
}
export const ADVISORY_LOCK = { name: 'advisory-lock', contender: 'advisory-lock', server: 'postgres' }
export const REDIS_SEMAPHORE = { name: 'redis-semaphore', contender: 'redis-semaphore', server: 'redis' }

/** Starts both servers for as long as `work` takes. One that cannot be started is { reason }. */
export async function withServers(work) {
  const servers = { postgres: await started(startPostgres), redis: await started(startRedis) }
  try {
    return await work(servers)
  } finally {
    for (const { stop } of Object.values(servers)) await stop?.()
  }
}

async function started(start) {
  try {
    return await start()
  } catch (error) {
    return { reason: error.message }
  }
}

/** Throws what a table shows in the place of a figure where the server is not there. */
export function urlFor({ server }, servers, host) {
  const { reason, url } = servers[server]
  if (reason !== undefined) throw new Error(reason)
  return url(host)
}

export function remoteCyclist(subject, servers, count) {
  const { name, contender } = subject
  return { name, start: async () => nodeCyclist(name, contender, urlFor(subject, servers), count).start() }
}
