// Puts a shorter file in the place of a transcript. The new file is written without the lock, however long that takes; under
// it, it is only checked that the old one is what the values were made of, and what was appended since is carried over.
import { change, type Changes, type Report } from '../door.js'
import { SessionError } from './errors.js'
import { tellTranscript } from './events.js'
import { newFileFor, newFilesOf } from './new-file.js'
import { hashedFrom, isHashed, NO_FILE, parseVersion, versionOf, type Version } from './version.js'

export interface Compaction {
  readonly path: string
  /** The new file, complete. */
  readonly fresh: string
  readonly expect: string
  readonly synced: boolean
}

/** Writes the new file beside the old one, under a name that nobody can guess. */
export async function prepare(path: string, text: string, mode: number, synced: boolean): Promise<string> {
  const fresh = newFileFor(path, 'compacted')
  const bytes = Buffer.from(text)
  const report = await change({ task: 'append', path: fresh, expected: 'absent', bytes, mode, synced })
  // Another compaction that has succeeded meanwhile removes it: this one will find another file.
  if (report.came === 'done' || report.after?.linked === false) return fresh
  await discard(fresh)
  throw failure(path, { ...report, undone: true })
}

export async function discard(fresh: string): Promise<void> {
  await change({ task: 'remove', path: fresh })
}

/**
 * New files of other compactions that have begun. They are nobody's once this one has succeeded after it asked: each was made
 * for the file that is gone by then, and would be refused. So nothing stays of compactions whose process died.
 */
export async function othersOf(path: string, fresh: string): Promise<string[]> {
  return (await newFilesOf(path, 'compacted')).filter((other) => other !== fresh)
}

/** Under the lock. Answers with the new version. */
export async function putInPlace(changes: Changes, compaction: Compaction): Promise<string> {
  const { path, fresh, expect, synced } = compaction
  const version = parseVersion('expect', expect)
  await refuseOther(changes, path, version)
  const report = await changes.make(
    {
      task: 'replace',
      path,
      other: fresh,
      expected: version === null ? 'absent' : 'at-least',
      known: version,
      carries: version !== null,
      from: version?.size ?? 0,
      synced,
    },
    true,
  )
  if (report.came === 'differs') throw conflict(path, report)
  const done = report.came === 'done' || report.came === 'foreign'
  if (!done || report.after === null) throw failure(path, report)
  // Of a writer that does not keep the lock, lines were carried over that came in the last moment.
  if (report.came === 'foreign') tellTranscript({ kind: 'foreign', path, bytes: 0, aside: null })
  return versionOf(report.after, report.seen)
}

/** Throws unless the file begins with what that version had. */
async function refuseOther(changes: Changes, path: string, version: Version | null): Promise<void> {
  const from = hashedFrom(version?.size ?? 0)
  const look = await changes.make({ task: 'look', path, from, most: (version?.size ?? 0) - from })
  if (look.failure !== null) throw failure(path, look)
  const same =
    version === null ? look.before === null : look.before?.name === version.name && isHashed(look.seen, version)
  if (!same) throw conflict(path, look)
}

function conflict(path: string, { before }: Report): SessionError {
  const what = before === null ? 'it is gone' : 'another file is there, or it was cut'
  const message = `${path} is not what the expected version has become: ${what}`
  return new SessionError('ERR_SESSION_CONFLICT', message, before === null ? { path, version: NO_FILE } : { path })
}

function failure(path: string, { failure: cause, came, undone }: Report): SessionError {
  const message = `${path} cannot be replaced: ${cause?.message ?? came}`
  return new SessionError('ERR_SESSION_SYSTEM', message, { path, undone, cause })
}
