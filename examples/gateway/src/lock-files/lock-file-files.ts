// The gateway's files as the gateway of the incidents had them, for comparison: a lock is a file whose existence is the lock,
// and a run holds its session's lock from its beginning to its end. What can be done well on such locks is done well here:
// lines are synced, files are replaced and not overwritten, a run that is over writes no more. What is left is the protocol.
import { open, readdir, readFile, rename, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

import { LockFiles, type LockFileRules } from '../../../lock-files/lock-files.mjs'
import type { Files, SessionFiles, Store, Turn, TurnName } from '../files.js'
import type { Lane } from '../lanes.js'
import type { Line } from '../lines.js'
import { browserOf, sessionOf, storeOf, transcriptOf } from '../places.js'

/** Milliseconds. */
export interface GatewayRules extends LockFileRules {
  /** What a run or a compaction writes into its lock file: it counts there instead of the stale age. */
  maxHold?: number
}

/** Between two looks at a transcript that is followed. */
const POLL = 10
const NEWLINE = 10

export function openLockFileFiles(folder: string, rules: GatewayRules): Promise<Files> {
  return Promise.resolve(new LockFileFiles(folder, rules))
}

type Lock = Awaited<ReturnType<LockFiles['acquire']>>
/** Takes the lock of a file, by the rules. */
type Acquire = (path: string) => Promise<Lock>

class LockFileFiles implements Files {
  private readonly folder: string
  private readonly acquire: Acquire
  /** Updates of this process come one after another. Of other processes' updates nothing is known: the store had no lock. */
  private updated: Promise<unknown> = Promise.resolve()

  constructor(folder: string, { maxHold, ...rules }: GatewayRules) {
    const locks = new LockFiles(rules)
    this.folder = folder
    this.acquire = (path) => locks.acquire(path, { maxHold })
  }

  async sessions(): Promise<string[]> {
    return (await readdir(this.folder)).map(sessionOf).filter((session) => session !== null)
  }

  open(session: string): Promise<SessionFiles> {
    return Promise.resolve(new LockFileSession(transcriptOf(this.folder, session), this.acquire))
  }

  update(change: (store: Store) => void): Promise<void> {
    const update = this.updated.then(() => this.replaceStore(change))
    this.updated = update.catch(() => {})
    return update
  }

  async browser({ signal }: Lane): Promise<() => void> {
    const lock = await unlessAborted(this.acquire(browserOf(this.folder)), signal)
    return () => lock.release()
  }

  async close(): Promise<void> {
    await this.updated
  }

  private async replaceStore(change: (store: Store) => void): Promise<void> {
    const path = storeOf(this.folder)
    const text = await textOf(path)
    const store = text === '' ? { sessions: {}, writers: {} } : (JSON.parse(text) as Store)
    change(store)
    await replace(path, JSON.stringify(store))
  }
}

class LockFileSession implements SessionFiles {
  private readonly path: string
  private readonly acquire: Acquire

  constructor(path: string, acquire: Acquire) {
    this.path = path
    this.acquire = acquire
  }

  async append(line: Line, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const lock = await unlessAborted(this.acquire(this.path), signal)
    try {
      await appendTo(this.path, line)
    } finally {
      lock.release()
    }
  }

  async read(): Promise<Line[]> {
    return linesOf(await textOf(this.path))
  }

  async *follow(signal: AbortSignal): AsyncGenerator<Line | null> {
    const file = new FollowedFile(this.path)
    try {
      for (;;) {
        signal.throwIfAborted()
        if (await file.isAnother()) yield null
        yield* linesOf(await file.more())
        // The signal's own reason is thrown above.
        await pause(POLL, undefined, { signal }).catch(() => {})
      }
    } finally {
      await file.close()
    }
  }

  /** One lock is for all turns of a session, and for its lines. The end of the lane does not give it back: `end()` does. */
  async turn(_name: TurnName, { signal }: Lane): Promise<Turn> {
    signal.throwIfAborted()
    return new LockFileTurn(this.path, await unlessAborted(this.acquire(this.path), signal), signal)
  }

  /** A lock file says who holds it, not whether that one was cut off. */
  cutOff(): null {
    return null
  }

  async compact(shorten: (lines: Line[]) => Promise<Line[] | null>): Promise<void> {
    const lock = await this.acquire(this.path)
    try {
      const short = await shorten(await this.read())
      if (short !== null) await replace(this.path, short.map(asText).join(''))
    } finally {
      lock.release()
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

class LockFileTurn implements Turn {
  readonly recoveredFrom = null
  private readonly path: string
  private readonly lock: Lock
  private readonly signal: AbortSignal

  constructor(path: string, lock: Lock, signal: AbortSignal) {
    this.path = path
    this.lock = lock
    this.signal = signal
  }

  /** Under the lock of the run, if that is still its own: nobody tells a run that its lock was called stale. */
  async append(line: Line): Promise<void> {
    this.signal.throwIfAborted()
    await appendTo(this.path, line)
  }

  end(): void {
    this.lock.release()
  }
}

/** Reads what is new in a file that others append to and replace. It is kept open, so no other file can have its inode. */
class FollowedFile {
  private readonly path: string
  private file: FileHandle | null = null
  /** Of what was read: the ends of lines. */
  private offset = 0

  constructor(path: string) {
    this.path = path
  }

  /** Whether all lines follow anew: another file is at the path, or this one is shorter than what was read of it. */
  async isAnother(): Promise<boolean> {
    if (this.file === null) return false
    const there = await stat(this.path).catch(() => null)
    if (there === null) return false
    if (there.ino === (await this.file.stat()).ino && there.size >= this.offset) return false
    await this.close()
    this.offset = 0
    return true
  }

  /** Whole lines only. */
  async more(): Promise<string> {
    this.file ??= await open(this.path, 'r').catch(() => null)
    if (this.file === null) return ''
    const { size } = await this.file.stat()
    if (size <= this.offset) return ''
    const bytes = Buffer.alloc(size - this.offset)
    const { bytesRead } = await this.file.read(bytes, 0, bytes.length, this.offset)
    const end = bytes.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1
    this.offset += end
    return bytes.toString('utf8', 0, end)
  }

  async close(): Promise<void> {
    await this.file?.close()
    this.file = null
  }
}

/** A wait for a lock file cannot be given up. But nobody is handed a lock after his end. */
async function unlessAborted(acquired: Promise<Lock>, signal: AbortSignal | undefined): Promise<Lock> {
  const lock = await acquired
  if (signal?.aborted !== true) return lock
  lock.release()
  throw signal.reason
}

async function appendTo(path: string, line: Line): Promise<void> {
  await write(path, 'a', asText(line))
}

/** Readers see the old file or the new one. */
async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await write(temporary, 'w', text)
  await rename(temporary, path)
}

async function write(path: string, flags: 'a' | 'w', text: string): Promise<void> {
  const file = await open(path, flags)
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** Nothing, if there is no such file. */
async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  })
}

function asText(line: Line): string {
  return `${JSON.stringify(line)}\n`
}

/** Damaged lines are passed over. */
function linesOf(text: string): Line[] {
  const lines = []
  for (const line of text.split('\n')) {
    try {
      lines.push(JSON.parse(line) as Line)
    } catch {
      continue
    }
  }
  return lines
}
