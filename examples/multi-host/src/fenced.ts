// A transaction that the database refuses as soon as somebody who got the lock later has written.
//
//   1. Every transaction begins by raising its lock's row of `fence` to the fence of its hold, if the row is not above that.
//      The row stays locked until the transaction has ended.
//   2. Fences of one lock grow from hold to hold. So no row was raised means: somebody had the lock after us and has written.
//      Our hold is over, whatever it says itself. Nothing of this transaction is written, and trying it again is of no use
//      but under a new hold.
//   3. Once ours is raised, nobody with a smaller fence writes any more, nor has anything under way: he would have the row
//      locked. So what is read from now on in the transaction is final, and may be changed and written back.
//   4. The same is true of an earlier transaction of the same hold of which we never heard how it ended.
//
// Point 3 and 4 need that every statement sees what was committed before it: read committed, whatever the default is.
import { isLockError, type Hold } from 'holdfast'
import type { ClientBase, Pool } from 'pg'

/** Only somebody whose fence was raised has one: what writes takes it as its first argument. */
export interface Writing {
  readonly client: ClientBase
  readonly fence: number
}

/** The database has refused: somebody who got the lock later has written. Nothing was written. */
export class FencedError extends Error {
  override readonly name = 'FencedError'

  constructor(lock: string, fence: number) {
    super(`the lock ${lock} was granted to somebody else, who has written: the fence ${fence} is too small`)
  }
}

const RAISE = `
  insert into fence as seen (lock, fence) values ($1, $2)
  on conflict (lock) do update set fence = excluded.fence where seen.fence <= excluded.fence`

/**
 * Writes under a hold. Nothing is sent unless it lasts. When it is lost with its connection meanwhile, that of the data is cut,
 * and the rejection is the hold's; any other end of the hold lets it finish, for the lock is ours until then. Any rejection but
 * a FencedError leaves open whether it was written: try again, under ids.
 */
export async function guarded<T>(pool: Pool, hold: Hold, write: (writing: Writing) => Promise<T>): Promise<T> {
  const { path: lock, fence, signal } = hold
  if (fence === null) throw new TypeError('a shared hold has no fence, and guards no writes')
  const lost = new AbortController()
  const look = (): void => {
    const reason: unknown = signal.reason
    if (isLockError(reason, 'ERR_LOCK_LOST') && reason.reason === 'connection') lost.abort(reason)
  }
  signal.addEventListener('abort', look)
  try {
    return await hold.guard(() => fenced(pool, { lock, fence, signal: lost.signal }, write))
  } catch (error) {
    if (!(error instanceof FencedError)) lost.signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', look)
  }
}

export interface Pass {
  readonly lock: string
  readonly fence: number
  /** Cuts the connection: an answer that cannot come is not waited for. */
  readonly signal?: AbortSignal
}

/** The part of the database. It does not look whether the hold lasts: that makes it no less safe, but less quick to know. */
export async function fenced<T>(pool: Pool, pass: Pass, write: (writing: Writing) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  const cut = (): void => void client.end().catch(() => {})
  const ignore = (): void => {} // a connection that ends fails the statement that runs on it, which is enough
  client.on('error', ignore)
  pass.signal?.addEventListener('abort', cut)
  let failed = true
  try {
    pass.signal?.throwIfAborted()
    const result = await transaction(client, pass, write)
    failed = false
    return result
  } finally {
    pass.signal?.removeEventListener('abort', cut)
    client.removeListener('error', ignore)
    client.release(failed) // a transaction that failed ends with its connection
  }
}

async function transaction<T>(
  client: ClientBase,
  { lock, fence }: Pass,
  write: (writing: Writing) => Promise<T>,
): Promise<T> {
  await client.query('begin isolation level read committed')
  const { rowCount } = await client.query(RAISE, [lock, fence])
  if (rowCount === 0) throw new FencedError(lock, fence)
  const result = await write({ client, fence })
  const { command } = await client.query('commit')
  if (command !== 'COMMIT') throw new Error('a statement had failed, so the transaction was rolled back')
  return result
}
