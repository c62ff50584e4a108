// A file of JSON values, one on a line, that many lanes and processes append to at once.
import { path as pathText } from '../arguments.js'
import { SystemError, change, isOfEarlierBoot, requestFor, underHold, type Changes, type Request } from '../door.js'
import { invalidType } from '../errors.js'
import { acquire, isLockError, type Hold, type Owner } from '../index.js'
import { discard, othersOf, prepare, putInPlace } from './compact.js'
import { encode } from './encode.js'
import { isSessionError, SessionError } from './errors.js'
import { LaneQueue } from './lane-queue.js'
import { Snapshot } from './snapshot.js'
import {
  appendOptions,
  compactOptions,
  readOptions,
  settingsOf,
  waitOptions,
  type AppendOptions,
  type CompactOptions,
  type ReadOptions,
  type Settings,
  type TranscriptOptions,
  type WaitOptions,
} from './transcript-options.js'
import { hashedFrom, isHashed, NO_FILE, parseVersion, versionOf } from './version.js'
import { Writer } from './writer.js'

const NEWLINE = 10

/** What must be on the device of a file whose last sync failed: opened again, it is compared with that. */
const doubtful = new Map<string, string>()

/**
 * Opens a transcript. The file need not exist: the first append makes it. A last line without an end, whose writer died,
 * is moved to `<file>.torn-<time>`, for which the lock is waited for; while others keep it, that is left to the first append.
 */
export async function openTranscript<T = unknown>(
  file: string | URL,
  options?: TranscriptOptions,
): Promise<Transcript<T>> {
  const wanted = settingsOf(options)
  const { timeout, maxHold, lockfile, label } = wanted
  const request = requestFor(pathText('file', file), { timeout, maxHold, lockfile, label })
  // What a relative name means does not change with a later chdir().
  const settings = lockfile === undefined ? wanted : { ...wanted, lockfile: request.file.lockfile }
  const synced = settings.durability !== 'none'
  const writer = new Writer({ synced, lockfile: request.file.lockfile, mode: settings.mode }, isOfEarlierBoot(request))
  const transcript = new Transcript<T>(request, settings, writer)
  await verify(request.file.target)
  const { before, seen, failure } = await change({ task: 'look', path: request.file.target, tail: true })
  if (failure !== null) throw refusal(request.file.target, failure)
  if (before !== null && seen.length > 0 && seen.at(-1) !== NEWLINE) {
    // What cannot be done now, because others keep the lock or there is no space, the first append will do or refuse.
    await transcript.mend().catch((error: unknown) => {
      if (!isLockError(error, 'ERR_LOCK_TIMEOUT') && !isSessionError(error, 'ERR_SESSION_SYSTEM')) throw error
    })
  }
  return transcript
}

export class Transcript<T = unknown> implements AsyncDisposable {
  /** Absolute, with symlinks in the last component resolved. */
  readonly path: string
  private readonly request: Request
  private readonly settings: Settings
  private readonly writer: Writer
  private readonly lanes: LaneQueue
  /** Of owners that hold locks themselves. */
  private readonly owners = new Map<Owner, LaneQueue>()
  /** Compactions that go on. */
  private others = 0
  private readonly closing = new AbortController()
  private watchers: { readonly done: () => boolean; readonly tell: () => void }[] = []

  /** @internal Transcripts come from openTranscript(). */
  constructor(request: Request, settings: Settings, writer: Writer) {
    this.path = request.file.target
    this.request = request
    this.settings = settings
    this.writer = writer
    this.lanes = this.newQueue(undefined)
  }

  /** What waits to be written or is being written. */
  get pending(): { readonly lines: number; readonly bytes: number } {
    let { lines, bytes } = this.lanes
    for (const lane of this.owners.values()) {
      lines += lane.lines
      bytes += lane.bytes
    }
    return { lines, bytes }
  }

  /** More waits than `highWater`: who can should wait for drained(). Nothing is refused for it. */
  get full(): boolean {
    return this.pending.bytes >= this.settings.highWater
  }

  get closed(): boolean {
    return this.closing.signal.aborted
  }

  /** Resolves when it is not full. */
  drained(): Promise<void> {
    return this.when(() => !this.full)
  }

  /**
   * Appends a value as one line. Resolves, as durable as was asked for, to the version that the file has with it. Rejected,
   * nothing of it is in the file; unless the error is a SessionError that is not `undone`.
   */
  append(value: T, options?: AppendOptions): Promise<string> {
    return this.write([value], 'value', options)
  }

  /**
   * The same for several: they stand together, and none of them is written if one cannot be. A process that is killed in the
   * middle of a write may leave the first of them.
   */
  appendAll(values: readonly T[], options?: AppendOptions): Promise<string> {
    if (!Array.isArray(values)) return Promise.reject(invalidType('values', 'an array', values))
    return this.write(values, 'values', options)
  }

  /** The lines that are there when the loop over it begins. Waits for no lock. */
  read(options?: ReadOptions): Snapshot<T> {
    return new Snapshot<T>(this.path, { ...readOptions(options), closed: this.closing.signal })
  }

  /** The version of what is there now. Waits for no lock, so it may be that of a write under way. */
  async version(): Promise<string> {
    const { before, seen, failure } = await change({ task: 'look', path: this.path, tail: true })
    if (failure !== null) throw refusal(this.path, failure)
    return before === null ? NO_FILE : versionOf(before, seen)
  }

  /**
   * Replaces what the file had at version `expect` by `values`; lines that were appended since stay, after them. Resolves to
   * the new version. Refuses with ERR_SESSION_CONFLICT if the file was replaced, cut or deleted meanwhile.
   */
  async compact(values: Iterable<T>, options: CompactOptions): Promise<string> {
    const { expect, ...wait } = compactOptions(options)
    this.refuseIfClosed()
    const text = this.encodeAll(listed(values), 'values')
    this.others++
    try {
      return await this.replace(text, expect, wait)
    } finally {
      this.others--
      this.changed()
    }
  }

  /** Deletes the file, after what was queued before. The lock file stays: deleting one would split the lock. */
  async delete(options?: WaitOptions): Promise<void> {
    const wait = waitOptions(options)
    this.refuseIfClosed()
    const work = async (changes: Changes, path: string): Promise<void> => {
      const { failure, undone } = await changes.make(
        { task: 'remove', path, synced: this.settings.durability !== 'none' },
        true,
      )
      if (failure === null) return
      throw refusal(path, failure, undone) // it may be gone, and only that not be certain for the device
    }
    await this.queueFor(wait.owner).add({ ...wait, text: '', lines: 0, size: 0, expect: undefined, work })
  }

  /** Waits for what was queued, and takes no more. Loops that follow end. */
  async close(): Promise<void> {
    this.closing.abort()
    const queues = (): LaneQueue[] => [this.lanes, ...this.owners.values()]
    await this.when(() => this.others === 0 && queues().every(({ entries }) => entries === 0))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal Ends a torn line. */
  async mend(): Promise<void> {
    await this.alone({}, (changes, hold) => this.writer.mend(changes, hold.path, hold.recoveredFrom !== null))
  }

  private async replace(text: string, expect: string, wait: WaitOptions): Promise<string> {
    const synced = this.settings.durability !== 'none'
    const fresh = await prepare(this.path, text, this.settings.mode, synced)
    try {
      const others = await othersOf(this.path, fresh)
      const version = await this.alone(wait, async (changes, { path, recoveredFrom }) => {
        // Only the first to have the lock after a dead holder is told of him.
        if (recoveredFrom !== null) await this.writer.mend(changes, path, true)
        return await putInPlace(changes, { path, fresh, expect, synced })
      })
      for (const other of others) await discard(other)
      return version
    } catch (error) {
      await discard(fresh)
      if (error instanceof SessionError && error.cause instanceof SystemError) this.writer.heed(this.path, error.cause)
      throw error
    }
  }

  private async write(values: readonly T[], name: string, options: AppendOptions | undefined): Promise<string> {
    const { expect, ...wait } = appendOptions(options)
    this.refuseIfClosed()
    const text = this.encodeAll(values, name)
    if (values.length === 0 && expect === undefined) return await this.version()
    const size = Buffer.byteLength(text)
    return await this.queueFor(wait.owner).add({ ...wait, text, lines: values.length, size, expect })
  }

  private encodeAll(values: readonly T[], name: string): string {
    let text = ''
    for (const [index, value] of values.entries()) {
      const line = encode(this.path, name === 'value' ? name : `${name}[${index}]`, value)
      // A character has at most three bytes here; counted only where that may be too many.
      if (line.length * 3 > this.settings.lineBytes) this.refuseIfLong(line, name, index)
      text += `${line}\n`
    }
    return text
  }

  private refuseIfLong(line: string, name: string, index: number): void {
    const size = Buffer.byteLength(line)
    if (size <= this.settings.lineBytes) return
    const which = name === 'value' ? name : `${name}[${index}]`
    const message = `${which} must have at most ${this.settings.lineBytes} bytes as JSON; it has ${size}`
    throw new SessionError('ERR_SESSION_VALUE', message, { path: this.path })
  }

  /** An owner that holds a lock may hold this one, or wait for it in a circle: it asks by itself. */
  private queueFor(owner: Owner | undefined): LaneQueue {
    if (owner === undefined) return this.lanes
    const own = this.owners.get(owner)
    if (own !== undefined) return own
    if (owner.holds.length === 0) return this.lanes
    const queue = this.newQueue(owner)
    this.owners.set(owner, queue)
    return queue
  }

  private newQueue(owner: Owner | undefined): LaneQueue {
    const { durability, batchBytes, ...rest } = this.settings
    const options = { ...rest, batchBytes: durability === 'each' ? 0 : batchBytes }
    return new LaneQueue(this.path, this.request, options, this.writer, owner, () => this.changed())
  }

  /** Something that is not an append, under a hold of its own. */
  private async alone<R>(wait: WaitOptions, work: (changes: Changes, hold: Hold) => Promise<R>): Promise<R> {
    const { timeout, maxHold, lockfile, label } = this.settings
    const hold = await acquire(this.path, { timeout, maxHold, lockfile, label, ...wait })
    return await underHold(hold, (changes) => work(changes, hold))
  }

  private changed(): void {
    if (this.owners.size > 0) this.forgetOwners()
    const { failure, acknowledged } = this.writer
    if (failure !== null && acknowledged !== null) doubtful.set(acknowledged.path, acknowledged.version)
    if (this.watchers.length === 0) return
    const due = this.watchers.filter(({ done }) => done())
    this.watchers = this.watchers.filter((watcher) => !due.includes(watcher))
    for (const { tell } of due) tell()
  }

  private forgetOwners(): void {
    for (const [owner, queue] of this.owners) if (queue.entries === 0) this.owners.delete(owner)
  }

  private when(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve()
    return new Promise((resolve) => this.watchers.push({ done, tell: resolve }))
  }

  private refuseIfClosed(): void {
    if (this.closed)
      throw new SessionError('ERR_SESSION_CLOSED', `The transcript is closed: ${this.path}`, { path: this.path })
    if (this.writer.failure !== null) throw this.writer.failure
  }
}

function listed<T>(values: Iterable<T>): T[] {
  const given: unknown = values
  if (typeof given === 'object' && given !== null && Symbol.iterator in given) return [...values]
  throw invalidType('values', 'an iterable of values', values)
}

/** After a failed sync: whether the device still has what was acknowledged. Asked once; then the caller knows. */
async function verify(path: string): Promise<void> {
  const text = doubtful.get(path)
  if (text === undefined) return
  const version = parseVersion('version', text)
  if (version === null) return
  const from = hashedFrom(version.size)
  const look = await change({ task: 'look', path, from, most: version.size - from, forgetful: true })
  if (look.failure !== null && look.before === null) throw refusal(path, look.failure) // still in doubt
  doubtful.delete(path)
  if (look.before?.name !== version.name) return // another file, with a history of its own
  if (look.failure === null && isHashed(look.seen, version)) return
  const message = `${path} has lost lines that were acknowledged: the device could not keep them. Look at it, then open it again`
  throw new SessionError('ERR_SESSION_DAMAGED', message, { path, version: text, cause: look.failure })
}

function refusal(path: string, cause: Error, undone = true): SessionError {
  return new SessionError('ERR_SESSION_SYSTEM', `${path}: ${cause.message}`, { path, undone, cause })
}
