// Reading without the lock. What is read is what the file had when reading began: appends only add to it, and a file that
// is replaced or deleted meanwhile stays readable through its descriptor. The version is that of the last whole line.
import { watch, type FSWatcher } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

import { change } from '../door.js'
import { SessionError } from './errors.js'
import { LineReader, type TranscriptLine } from './lines.js'
import { ENOUGH, NO_FILE, versionOf } from './version.js'

const NEWLINE = 10
const PIECE = 256 * 1024
/** While nothing is told of the folder, it is looked at so often. */
const PATIENCE = 1000
/** A file may be replaced between two looks at it. */
const MOST_TRIES = 16

/** One file, opened, and what of it was there in whole lines. */
interface Opened {
  /** Null where there was no file. */
  readonly handle: FileHandle | null
  readonly name: string
  readonly end: number
  readonly version: string
}

export interface SnapshotOptions {
  readonly follow: boolean
  readonly signal: AbortSignal | undefined
  /** Aborts when the transcript is closed: followers end then. */
  readonly closed: AbortSignal
}

/** Lines of a transcript as they were when the loop began, and with `follow` those that come later too. */
export class Snapshot<T> implements AsyncIterable<TranscriptLine<T>> {
  private readonly path: string
  private readonly options: SnapshotOptions
  private begun: string | null = null

  constructor(path: string, options: SnapshotOptions) {
    this.path = path
    this.options = options
  }

  /** What compact() and append() may expect after this was read. Known once the loop has begun; with `follow`, of the last reset. */
  get version(): string {
    if (this.begun !== null) return this.begun
    throw new SessionError('ERR_SESSION_UNREADABLE', 'A snapshot has its version once the loop over it has begun', {
      path: this.path,
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TranscriptLine<T>, void, undefined> {
    const { follow, signal } = this.options
    for (let first = true; first || follow; first = false) {
      signal?.throwIfAborted()
      const opened = await openFile(this.path)
      this.begun = opened.version
      try {
        if (!first) yield { kind: 'reset', version: opened.version }
        const reader = new LineReader<T>()
        yield* this.upTo(opened.end, opened, reader)
        if (follow && !(yield* this.follow(opened, reader))) return
      } finally {
        await opened.handle?.close()
      }
    }
  }

  /** Answers true when another file has taken its place, false when nobody wants to follow any more. */
  private async *follow(opened: Opened, reader: LineReader<T>): AsyncGenerator<TranscriptLine<T>, boolean, undefined> {
    const { signal, closed } = this.options
    const changes = new FolderChanges(this.path, signal === undefined ? [closed] : [signal, closed])
    try {
      for (;;) {
        yield* this.upTo(Infinity, opened, reader)
        if (await isReplaced(this.path, opened, reader.read)) return true
        if (!(await changes.next())) break
      }
      signal?.throwIfAborted()
      return false
    } finally {
      changes.close()
    }
  }

  private async *upTo(
    end: number,
    { handle }: Opened,
    reader: LineReader<T>,
  ): AsyncGenerator<TranscriptLine<T>, void, undefined> {
    if (handle === null) return
    const piece = Buffer.allocUnsafe(PIECE)
    while (reader.read < end) {
      this.options.signal?.throwIfAborted()
      const most = Math.min(PIECE, end - reader.read)
      const { bytesRead } = await handle.read(piece, 0, most, reader.read)
      if (bytesRead === 0) break
      // The lines of a piece are read before the piece is filled again.
      yield* reader.push(piece.subarray(0, bytesRead))
    }
    reader.forgetUnfinished()
  }
}

async function openFile(path: string): Promise<Opened> {
  for (let tries = 1; ; tries++) {
    const handle = await openHandle(path)
    if (handle === null) return { handle, name: '', end: 0, version: NO_FILE }
    try {
      const opened = await describe(path, handle)
      if (opened !== null) return opened
      await handle.close()
    } catch (error) {
      await handle.close()
      throw error
    }
    if (tries === MOST_TRIES) {
      throw new SessionError('ERR_SESSION_UNREADABLE', `${path} is replaced again and again while it is read`, { path })
    }
  }
}

async function openHandle(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/** Null where the path names another file by now. */
async function describe(path: string, handle: FileHandle): Promise<Opened | null> {
  const look = await change({ task: 'look', path })
  const { ino, size } = await handle.stat({ bigint: true })
  // The number of an open file is given to no other one.
  const number = BigInt(`0x${look.before?.name.slice(32, 48) ?? '0'}`)
  if (look.before === null || number !== BigInt.asUintN(64, ino)) return null
  const { end, tail } = await wholeLines(handle, Number(size))
  return { handle, name: look.before.name, end, version: versionOf({ name: look.before.name, size: end }, tail) }
}

/** Where the last whole line ends, and the bytes before that. */
async function wholeLines(handle: FileHandle, size: number): Promise<{ end: number; tail: Uint8Array }> {
  for (let length = 2 * ENOUGH; ; length *= 4) {
    const from = Math.max(0, size - length)
    const bytes = Buffer.allocUnsafe(size - from)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, from)
    const seen = bytes.subarray(0, bytesRead)
    const end = seen.lastIndexOf(NEWLINE) + 1
    if (from === 0 || end >= ENOUGH) return { end: from + end, tail: seen.subarray(0, end) }
  }
}

async function isReplaced(path: string, { name }: Opened, read: number): Promise<boolean> {
  const { before, failure } = await change({ task: 'look', path })
  if (failure !== null) throw failure
  if (before === null) return name !== ''
  return before.name !== name || before.size < read
}

/** Tells when something in the folder of a file may have changed. */
class FolderChanges {
  private readonly name: string
  private readonly signals: readonly AbortSignal[]
  private watcher: FSWatcher | null = null
  private changed = false
  private wake: (() => void) | null = null

  constructor(path: string, signals: readonly AbortSignal[]) {
    this.name = basename(path)
    this.signals = signals
    for (const signal of signals) signal.addEventListener('abort', this.note)
    try {
      this.watcher = watch(dirname(path), (_event, name) => {
        if (name === null || name === this.name) this.note()
      })
      this.watcher.on('error', () => {}) // then there is patience
    } catch {
      // Nothing to be watched, or no more watches to be had.
    }
  }

  /** Resolves to true when there may be something new, to false when a signal has aborted. */
  async next(): Promise<boolean> {
    if (!this.changed && !this.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.wake = null
    }
    this.changed = false
    return !this.aborted
  }

  close(): void {
    this.watcher?.close()
    for (const signal of this.signals) signal.removeEventListener('abort', this.note)
  }

  private get aborted(): boolean {
    return this.signals.some(({ aborted }) => aborted)
  }

  private readonly note = (): void => {
    this.changed = true
    this.wake?.()
  }
}
