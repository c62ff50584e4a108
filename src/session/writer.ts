// Writes one batch of lines under the lock, and says what became of each. The common case is one native call that ends the
// lock as well; everything below it is for files that somebody else touches, and for devices that fail.
import { SystemError, type Changes, type FileState, type Report } from '../door.js'
import { SessionError } from './errors.js'
import { tellTranscript } from './events.js'
import { repair } from './repair.js'
import { ENOUGH, hashedOf, NO_FILE, versionOf, Versions } from './version.js'

/** What one caller appends. */
export interface Entry {
  /** Whole lines. */
  readonly text: string
  /** In bytes. */
  readonly size: number
  /** The version that the file must have; undefined: any. */
  readonly expect: string | undefined
  resolve(version: string): void
  reject(error: unknown): void
}

export interface WriterOptions {
  readonly synced: boolean
  readonly lockfile: string
  readonly mode: number
}

const NEWLINE = 10
/** So often in a row may others keep a batch from being written, before its callers are told. */
const MOST_TRIES = 1000
const NOTHING = new Uint8Array(0)

/** Where a batch begins. */
interface Start {
  readonly name: string
  readonly size: number
  /** The last bytes before it. */
  readonly tail: Uint8Array
}

export class Writer {
  private readonly options: WriterOptions
  /** The file after the last batch, which ends with a newline. */
  private known: Start | null = null
  /** Pieces of this batch may be in the file, between others' bytes. */
  private scattered = false
  /** The file whose name is on the device. */
  private named = ''
  /** The record in the lock file is on the device. */
  private signed = false
  /** Why nothing is written any more. */
  private broken: SessionError | null = null
  /** The last version that a caller was told, with its path: what the device must have. */
  acknowledged: { readonly path: string; readonly version: string } | null = null
  /**
   * A torn line is of a dead writer: of an earlier boot, or of a holder of whose death only the next one is told. Until a batch
   * is written: the repair may fail, and be tried again.
   */
  private orphaned: boolean

  /** `orphaned`: what was there before may be of an earlier boot. */
  constructor(options: WriterOptions, orphaned: boolean) {
    this.options = options
    this.orphaned = orphaned
  }

  get failure(): SessionError | null {
    return this.broken
  }

  /** Settles every entry, unless it throws: the rest is the caller's to settle then. `abandoned`: the last holder died. */
  async write(changes: Changes, path: string, entries: readonly Entry[], abandoned: boolean): Promise<void> {
    this.orphaned ||= abandoned
    this.scattered = false
    let rest = entries
    for (let tries = 0; rest.length > 0; tries++) {
      if (this.broken !== null) throw this.broken
      if (tries === MOST_TRIES) throw unwritable(path)
      const before = rest.length
      rest = await this.writeSome(changes, path, rest)
      if (rest.length < before) tries = 0
    }
  }

  /** Nothing is written any more, if after such a failure nobody knows what the device has. */
  heed(path: string, failure: Report['failure'], bytes = 0): void {
    if (failure === null || !isFinal(failure)) return
    const why = `${path} takes no more lines: an earlier write could not be made durable. Open it again`
    this.broken = new SessionError('ERR_SESSION_FAILED', why, { path, undone: true, cause: failure })
    tellTranscript({ kind: 'failed', path, bytes, aside: null, cause: failure })
  }

  /** Ends a torn line, where there is one. */
  async mend(changes: Changes, path: string, abandoned: boolean): Promise<void> {
    this.orphaned ||= abandoned
    const report = await changes.make({ task: 'look', path, tail: true })
    if (report.before !== null && isTorn(report.seen)) await this.repair(changes, path, report)
  }

  /** Answers with the entries that are still to be written. An entry that expects a version begins a write of its own. */
  private async writeSome(changes: Changes, path: string, entries: readonly Entry[]): Promise<readonly Entry[]> {
    const next = entries.findIndex(({ expect }, index) => index > 0 && expect !== undefined)
    const group = next < 0 ? entries : entries.slice(0, next)
    const later = next < 0 ? [] : entries.slice(next)
    const [first] = group
    if (first === undefined) return []

    let exact: FileState | null | undefined
    if (first.expect !== undefined) {
      const look = await changes.make({ task: 'look', path, tail: true })
      if (look.failure !== null) return this.refuse(path, group, look, later)
      if (look.before !== null && isTorn(look.seen)) {
        await this.repair(changes, path, look)
        return entries
      }
      const version = look.before === null ? NO_FILE : versionOf(look.before, look.seen)
      if (version !== first.expect) {
        const message = `${path} is not at the expected version: somebody else has written`
        first.reject(new SessionError('ERR_SESSION_CONFLICT', message, { path, version }))
        return entries.slice(1)
      }
      exact = look.before
      this.orphaned = false
      this.known = look.before === null ? null : { ...look.before, tail: look.seen }
    }

    const bytes = Buffer.from(group.map(({ text }) => text).join(''))
    const { synced, mode, lockfile } = this.options
    const expected = exact === undefined ? 'any' : exact === null ? 'absent' : 'exact'
    const known = this.known
    const folder = synced && known?.name !== this.named
    // The record before the first line: after a loss of power it says of a torn one that its writer is dead. What is written
    // over the record later is of this boot or the next.
    const other = synced && !this.signed ? lockfile : ''
    const report = await changes.make(
      { task: 'append', path, other, bytes, expected, known, synced, folder, mode },
      later.length === 0,
    )
    switch (report.came) {
      case 'done':
        this.named = report.after?.name ?? ''
        this.signed = true
        this.settle(path, group, bytes, start(report, known))
        return later
      case 'torn':
        await this.repair(changes, path, report)
        return entries
      case 'foreign':
        return [...(await this.settleForeign(changes, path, group, bytes, report)), ...later]
      case 'failed':
        return this.refuse(path, group, report, later)
      default:
        this.known = null // somebody made, replaced or deleted the file in this moment
        return entries
    }
  }

  private async repair(changes: Changes, path: string, report: Report): Promise<void> {
    const { before: file, seen: tail } = report
    if (file === null) return
    this.known = null
    try {
      await repair(changes, { path, file, tail, abandoned: this.orphaned, synced: this.options.synced })
    } catch (error) {
      if (error instanceof SessionError && error.cause instanceof SystemError) this.heed(path, error.cause)
      throw error
    }
  }

  /** The bytes were added in one piece after `start`. */
  private settle(path: string, group: readonly Entry[], bytes: Uint8Array, start: Start): void {
    const all = Buffer.concat([start.tail, bytes])
    const versions = new Versions(start.name, all, start.tail.length, start.size)
    let version = ''
    for (const entry of group) {
      version = versions.next(entry.text, entry.size)
      entry.resolve(version)
    }
    const size = start.size + bytes.length
    this.known = { name: start.name, size, tail: hashedOf(all, size) }
    this.acknowledged = { path, version }
    this.orphaned = false
  }

  /**
   * Somebody who does not keep the lock has written, cut or deleted the file meanwhile. What can be found of ours as whole
   * lines is settled; the entries that cannot are answered, to be written again.
   */
  private async settleForeign(
    changes: Changes,
    path: string,
    group: readonly Entry[],
    bytes: Uint8Array,
    { before, after }: Report,
  ): Promise<readonly Entry[]> {
    this.known = null
    const rewritten = (entries: readonly Entry[]): readonly Entry[] => {
      this.scattered = true
      tellTranscript({ kind: 'rewritten', path, bytes: sizeOf(entries), aside: null })
      return entries
    }
    if (after?.linked !== true) return rewritten(group)
    // Where the file was cut, ours are at its end, if anywhere.
    const start = Math.min(before?.size ?? 0, Math.max(0, after.size - bytes.length))
    const from = Math.max(0, start - ENOUGH)
    const look = await changes.make({ task: 'look', path, from, most: Math.max(0, after.size - from) })
    if (look.failure !== null) return this.refuse(path, group, { ...look, undone: false }, [])
    if (look.before?.name !== after.name) {
      // Renamed away, with all of it inside. Nobody will ever expect a version of a file that is not here.
      this.settle(path, group, bytes, { name: after.name, size: start, tail: NOTHING })
      this.known = this.acknowledged = null
      return []
    }
    tellTranscript({ kind: 'foreign', path, bytes: after.size - start - bytes.length, aside: null })
    const seen = Buffer.from(look.seen.buffer, look.seen.byteOffset, look.seen.length)
    const lost: Entry[] = []
    let at = start - from
    for (const entry of group) {
      const found = indexOfLines(seen, Buffer.from(entry.text), at)
      if (found < 0) {
        lost.push(entry)
        continue
      }
      at = found + entry.size
      const version = versionOf({ name: after.name, size: from + at }, seen.subarray(0, at))
      entry.resolve(version)
      this.acknowledged = null // it may be shorter than what it would be compared with
    }
    return lost.length > 0 ? rewritten(lost) : lost
  }

  private refuse(
    path: string,
    group: readonly Entry[],
    { failure, undone: untouched }: Report,
    later: readonly Entry[],
  ): readonly Entry[] {
    this.known = null
    const undone = untouched && !this.scattered
    const message = `${path} cannot be written: ${failure?.message ?? 'unknown failure'}`
    const error = new SessionError('ERR_SESSION_SYSTEM', message, { path, undone, cause: failure })
    if (!undone) tellTranscript({ kind: 'fragment', path, bytes: sizeOf(group), aside: null, cause: failure })
    this.heed(path, failure, sizeOf(group))
    // Last: who hears of it finds the transcript as it is from now on.
    for (const entry of group) entry.reject(error)
    return later
  }
}

function unwritable(path: string): SessionError {
  const message = `${path} cannot be written: others who do not keep the lock change it again and again`
  return new SessionError('ERR_SESSION_SYSTEM', message, { path, undone: false })
}

/** After such a failure the system may say that all is well, and have lost what it could not write. */
function isFinal({ code, syscall }: NonNullable<Report['failure']>): boolean {
  return code === 'EIO' || syscall === 'fdatasync' || syscall === 'fsync' || syscall === 'FlushFileBuffers'
}

function isTorn(tail: Uint8Array): boolean {
  return tail.length > 0 && tail.at(-1) !== NEWLINE
}

function start({ before, after, seen }: Report, known: Start | null): Start {
  if (before === null) return { name: after?.name ?? '', size: 0, tail: NOTHING }
  const same = known !== null && known.name === before.name && known.size === before.size
  return { name: before.name, size: before.size, tail: same ? known.tail : seen }
}

/** Where `lines` are, as whole lines and not as a part of another one. */
function indexOfLines(bytes: Buffer, lines: Buffer, from: number): number {
  let at = bytes.indexOf(lines, from)
  while (at > 0 && bytes[at - 1] !== NEWLINE) at = bytes.indexOf(lines, at + 1)
  return at
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0)
}
