// A last line without an end. Either its writer died in the middle of it, which the lock's record or NULs tell: then it is
// moved aside and cut off. Or its writer does not keep the lock, and may go on with it: then it is ended where it is, and
// copied aside, so that nothing of it is lost and nothing is glued to it. Damage in the middle of a file is never touched.
import type { Changes, FileState } from '../door.js'
import { saveAside } from './aside.js'
import { SessionError } from './errors.js'
import { tellTranscript } from './events.js'

const NEWLINE = 10
const NUL = 0
const FIRST_LOOK = 64 * 1024

export interface Torn {
  readonly path: string
  readonly file: FileState
  /** The last bytes of the file. */
  readonly tail: Uint8Array
  /** Its writer is dead. */
  readonly abandoned: boolean
  readonly synced: boolean
}

/** Under the lock. If the file changes meanwhile nothing is done: whoever looks again sees what there is then. */
export async function repair(changes: Changes, torn: Torn): Promise<void> {
  const { path, file, abandoned, synced } = torn
  const line = await lastLine(changes, torn)
  if (line === null) return
  const bytes = line.length
  if (abandoned || line.at(-1) === NUL) {
    const aside = await saveAside(changes, path, 'torn', line)
    const cut = await changes.make({
      task: 'cut',
      path,
      expected: 'exact',
      known: file,
      from: file.size - bytes,
      synced,
    })
    refuseFailure(path, cut.failure)
    if (cut.came === 'done') tellTranscript({ kind: 'torn', path, bytes, aside })
    else await changes.make({ task: 'remove', path: aside }) // it has grown: nothing was cut
    return
  }
  const ended = await changes.make({
    task: 'append',
    path,
    expected: 'exact',
    known: file,
    bytes: Uint8Array.of(NEWLINE),
    synced: false, // what follows is
  })
  refuseFailure(path, ended.failure)
  if (ended.came === 'differs') return
  // Afterwards: nothing of it can be lost, and one that grows all the time is copied once.
  const aside = await saveAside(changes, path, 'torn', line)
  tellTranscript({ kind: 'unfinished', path, bytes, aside })
}

/** Null where the file is not the same any more. */
async function lastLine(changes: Changes, { path, file, tail }: Torn): Promise<Uint8Array | null> {
  let bytes = tail
  for (let size = FIRST_LOOK; ; size *= 4) {
    const start = bytes.lastIndexOf(NEWLINE) + 1
    if (start > 0 || bytes.length === file.size) return bytes.subarray(start)
    const from = Math.max(0, file.size - size)
    const report = await changes.make({ task: 'look', path, from, most: file.size - from })
    refuseFailure(path, report.failure)
    if (report.before?.name !== file.name || report.seen.length !== file.size - from) return null
    bytes = report.seen
  }
}

function refuseFailure(path: string, cause: Error | null): void {
  if (cause === null) return
  throw new SessionError('ERR_SESSION_SYSTEM', `The last line of ${path} cannot be repaired: ${cause.message}`, {
    path,
    cause,
  })
}
