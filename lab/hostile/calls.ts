// What the driver asks of its processes, and what they answer: plain data.
import type { AcquireOptions, InspectOptions } from 'holdfast'
import type { StoreOptions, TranscriptOptions } from 'holdfast/session'

/** Every entry point that can take a lock; `shared` is acquire() in that mode. */
export type Way = 'tryAcquire' | 'acquire' | 'shared' | 'at once' | 'acquireAll' | 'withLock'

export type PlainOptions = Pick<AcquireOptions, 'lockfile' | 'timeout' | 'record'>

/** How a call ended. */
export interface Ended {
  /**
   * `lock`, `lock without record`, `busy`, `lost`, a word of the call's own, the system's code for a refusal that is typed,
   * the code of a bad argument; `untyped …` for everything else.
   */
  readonly outcome: string
  /** Of the hold that it left, for letGo() and assertHeld(). */
  readonly key: number | null
  /** What people read of it: messages. One line each. */
  readonly messages: readonly string[]
  /** What is printed of it where nobody catches or formats it: lines. */
  readonly printed: readonly string[]
  /** What it answered with. */
  readonly value: unknown
}

export type TranscriptWork = 'open' | 'append' | 'read' | 'compact' | 'delete'
export type StoreWork = 'open' | 'read' | 'update' | 'updateJson'

export interface VictimCalls {
  lock(way: Way, path: string, options?: PlainOptions): Promise<Ended>
  letGo(key: number): void
  assertHeld(key: number): Ended
  inspect(path: string, options?: InspectOptions): Ended
  transcript(work: TranscriptWork, path: string, options?: TranscriptOptions): Promise<Ended>
  store(work: StoreWork, path: string, options?: StoreOptions<unknown>): Promise<Ended>
  /** Opens a transcript for readMany(). */
  openToRead(path: string): Promise<Ended>
  /** Reads it from its beginning, so many times, and closes it; `value` lists what came of that, each kind once. */
  readMany(times: number): Promise<Ended>
  /** acquireSessionWriteLock(), which waits for files of old gateways too. */
  sessionLock(sessionFile: string): Promise<Ended>
  /** cleanStaleLockFiles(); `value` lists what it found, and how often it warned. */
  clean(sessionsDir: string): Promise<Ended>
  umask(mask: number): number
  chdir(folder: string): void
  /** What new dates say from now on; null: the time. */
  freeze(iso: string | null): void
  /** Open descriptors, and what they lead to; holds that are left. */
  left(): readonly string[]
}

export type Race =
  'recreate' | 'rename over' | 'symlinks' | 'fifos' | 'folders' | 'parents' | 'content' | 'modes' | 'swap'

export interface AttackerCalls {
  /** Takes the lock of a path and keeps it until letGo(). Writes no record. */
  hold(path: string, mode: 'exclusive' | 'shared'): Promise<void>
  letGo(): void
  /** A lease for writing: the kernel lets nobody else open it before it is given back, or 45 seconds have passed. */
  lease(path: string): Promise<void>
  /** Does something to `path` again and again, until stop(). `outside` is what links lead to. */
  race(race: Race, path: string, outside: string): void
  /** How many rounds the race has had by now. */
  rounds(): number
  /** Ends the race, with nothing at its path. */
  stop(): void
}
