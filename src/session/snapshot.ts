// Reading without the lock. What is read is what the file had when reading began: appends only add to it, and a file that
// is replaced or deleted meanwhile stays readable through its descriptor. The version is that of the last whole line.
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

import { change, isFileOf, onAbort, systemErrorOf, type Report } from '../door.js'
import { SessionError } from './errors.js'
import { FolderWatch } from './folder-watch.js'
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
    const changes = new FileChanges(this.path, signal === undefined ? [closed] : [signal, closed])
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
    const before = await look(path)
    const handle = await openHandle(path)
    if (handle === null) return { handle, name: '', end: 0, version: NO_FILE }
    try {
      const opened = await describe(path, before, handle)
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

/** Whatever has taken the file's place since it was looked at, opening it waits for nobody, and follows no link. */
async function openHandle(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw unreadable(path, systemErrorOf(cause, path))
  }
}

/** Null where the path has named more than one file meanwhile, or what was opened is another one than was seen. */
async function describe(path: string, before: Report, handle: FileHandle): Promise<Opened | null> {
  const stat = await handle.stat({ bigint: true })
  const after = await look(path)
  if (!stat.isFile()) return null
  const name = before.before?.name
  if (name === undefined || after.before?.name !== name || !isFileOf(name, stat)) return null
  const { end, tail } = await wholeLines(handle, Number(stat.size))
  return { handle, name, end, version: versionOf({ name, size: end }, tail) }
}

/** Refuses what is no regular file: opening a FIFO would keep a thread of the pool until somebody writes to it. */
async function look(path: string): Promise<Report> {
  const report = await change({ task: 'look', path })
  if (report.failure !== null) throw unreadable(path, report.failure)
  return report
}

function unreadable(path: string, cause: unknown): SessionError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SessionError('ERR_SESSION_SYSTEM', `${path} cannot be read: ${why}`, { path, cause })
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
  const { before } = await look(path)
  if (before === null) return name !== ''
  return before.name !== name || before.size < read
}

/** Resolves again and again when there may be something new in a file. */
class FileChanges {
  private readonly signals: readonly AbortSignal[]
  private readonly unlisten: (() => void)[]
  private readonly folder = new FolderWatch(() => this.note())
  private changed = false
  private wake: (() => void) | null = null

  constructor(path: string, signals: readonly AbortSignal[]) {
    this.signals = signals
    this.unlisten = signals.filter(({ aborted }) => !aborted).map((signal) => onAbort(signal, () => this.note()))
    this.folder.follow(path)
  }

  /** To true when there may be something new, to false when a signal has aborted. */
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
    this.folder.close()
    for (const unlisten of this.unlisten) unlisten()
  }

  private get aborted(): boolean {
    return this.signals.some(({ aborted }) => aborted)
  }

  private note(): void {
    this.changed = true
    this.wake?.()
  }
}
