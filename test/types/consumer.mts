// A program that uses the package with its types, as an ES module. It is compiled, never run.
import {
  acquire,
  acquireAll,
  holds,
  inspect,
  isLockError,
  LockError,
  LockLostError,
  LockTimeoutError,
  releaseAll,
  tryAcquire,
  withLock,
  type AcquireOptions,
  type Hold,
  type HoldInfo,
  type HoldSet,
  type LockErrorCode,
  type LockRecord,
  type LockState,
} from 'holdfast'
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  resolveSessionWriteLockOptions,
  type SessionLockInspection,
  type SessionWriteLock,
  type SessionWriteLockOptions,
} from 'holdfast/adapters/session-write-lock'
import {
  openPostgres,
  postgresJsAdapter,
  type PostgresAdapter,
  type PostgresOptions,
  type RemoteHoldfast,
  type RemoteLockState,
} from 'holdfast/postgres'
import { isSessionError, openTranscript, type Transcript, type TranscriptLine } from 'holdfast/session'
import { collectStats, type FileStats, type Stats, type StatsCollector, type Times } from 'holdfast/stats'

const options: AcquireOptions = { mode: 'shared', timeout: 1000, signal: AbortSignal.timeout(5), label: 'consumer' }

export async function main(): Promise<void> {
  const hold: Hold = await acquire('file', options)
  const path: string = hold.path
  const fence: number | null = hold.fence
  const before: LockRecord | null = hold.recoveredFrom
  hold.assertHeld()
  hold.release()

  const tried: Hold | null = tryAcquire(new URL('file:///file'))
  // @ts-expect-error it may be null
  tried.release()

  const length: number = await withLock('file', async ({ held }) => (held ? path.length : 0))
  const text: string = await withLock('file', options, () => 'no promise')
  const set: HoldSet = await acquireAll(['a', new URL('file:///b')])
  const state: LockState = inspect('file')
  const list: HoldInfo[] = holds()
  const ended: number = releaseAll('the reason')
  console.log(fence, before, length, text, set, state, list, ended)

  // @ts-expect-error there is no such option
  await acquire('file', { timeOut: 1 })
  // @ts-expect-error there is no such mode
  await acquire('file', { mode: 'write' })
  // @ts-expect-error a number is no path
  await acquire(3)
}

/** Needs nothing of the consumer's own `lib`: the package brings the types of `using` along. */
export async function scoped(): Promise<void> {
  await using set = await acquireAll(['a', 'b'])
  await using hold = await acquire('file')
  using other = tryAcquire('other')
  console.log(set, hold, other)
}

export function watched(): string[] {
  using collector: StatsCollector = collectStats({ files: 10 })
  const stats: Stats = collector.snapshot()
  const wait: Times = stats.total.wait
  const busiest: FileStats | undefined = stats.files[0]
  const leaks: number = stats.total.revoked.collected
  // @ts-expect-error a release is no revocation
  const released: number = stats.total.revoked.released
  // @ts-expect-error there is no such option
  collectStats({ file: 10 })
  return [`${wait.p99}`, `${busiest?.lockfile}`, `${leaks} ${released}`]
}

export async function gateway(): Promise<string[]> {
  const options: SessionWriteLockOptions = resolveSessionWriteLockOptions({ session: { writeLock: { staleMs: 1 } } })
  const lock: SessionWriteLock = await acquireSessionWriteLock({ sessionFile: 'file.jsonl', ...options })
  const written: number = await lock.guard(() => (lock.held ? 1 : 0))
  await lock.release()
  const { cleaned } = await cleanStaleLockFiles({ sessionsDir: 'sessions', removeStale: true, log: console })
  const stale: SessionLockInspection[] = cleaned
  // @ts-expect-error the file must be named
  await acquireSessionWriteLock({ timeoutMs: 1 })
  return stale.map(({ lockPath, staleReasons }) => `${written} ${lockPath} ${staleReasons.join()}`)
}

interface Message {
  readonly text: string
}

export async function written(): Promise<string> {
  await using transcript: Transcript<Message> = await openTranscript<Message>('file.jsonl', { durability: 'each' })
  const version: string = await transcript.append({ text: 'hello' }, { timeout: 1000, signal: AbortSignal.timeout(5) })
  const texts: string[] = []
  for await (const line of transcript.read({ follow: false })) {
    const each: TranscriptLine<Message> = line
    if (each.kind === 'value') texts.push(each.value.text)
    // @ts-expect-error a damaged line has no value
    if (each.kind === 'damaged') texts.push(each.value)
  }
  await transcript.compact([{ text: texts.join() }], { expect: version })
  // @ts-expect-error what the values were made of must be said
  await transcript.compact([])
  // @ts-expect-error a number is no message
  await transcript.append(1).catch((error: unknown) => isSessionError(error, 'ERR_SESSION_CONFLICT'))
  return version
}

export function explain(error: unknown): string {
  if (isLockError(error, 'ERR_LOCK_TIMEOUT')) return `${error.holder?.pid} ${error.waited}`
  if (isLockError(error, 'ERR_LOCK_LOST')) return error.reason
  if (isLockError(error)) {
    const code: LockErrorCode = error.code
    return `${code} ${error.lockfile}`
  }
  if (error instanceof LockTimeoutError || error instanceof LockLostError || error instanceof LockError)
    return error.code
  // @ts-expect-error nothing is known of it
  return error.code
}

export async function manyHosts(postgres: (url: string, options: object) => object): Promise<number | null> {
  const adapter: PostgresAdapter = postgresJsAdapter(postgres, 'postgres://db/locks')
  const options: PostgresOptions = { adapter, namespace: 'consumer', heartbeat: { every: 1000 } }
  const locks: RemoteHoldfast = await openPostgres(options)
  const hold: Hold = await locks.acquire('name', { mode: 'shared', timeout: 1000 })
  const tried: Hold | null = await locks.tryAcquire('name')
  const state: RemoteLockState = await locks.inspect('name')
  const host: string | null | undefined = state.holders[0]?.host
  await locks.withLock('name', async ({ fence }) => fence)
  await locks.close()
  // @ts-expect-error: there are no lock files
  await locks.acquire('name', { lockfile: 'here' })
  return tried === null || host === 'here' ? hold.fence : null
}
