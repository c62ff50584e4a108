// Bytes that are about to be cut off or replaced, or that somebody may go on to, are saved beside their file first, under a
// name that says why and when.
import type { Changes } from '../door.js'
import { SessionError } from './errors.js'

/** What opening a name is refused with that somebody has put something else under than a file we may write to. */
const IN_THE_WAY = new Set(['ELOOP', 'EISDIR', 'EFTYPE', 'ENXIO', 'EACCES', 'EPERM', 'EAGAIN'])
/** Whoever plants at so many names means to be noticed. */
const MOST_NAMES = 16

/** Under the lock. Resolves to the path of a copy that is whole and on the device. */
export async function saveAside(
  changes: Changes,
  path: string,
  why: 'corrupt' | 'torn',
  bytes: Uint8Array,
): Promise<string> {
  const time = new Date().toISOString().replace(/[-:.]/g, '')
  for (let count = 1; ; count++) {
    const aside = `${path}.${why}-${time}${count > 1 ? `-${count}` : ''}`
    const report = await changes.make({ task: 'append', path: aside, expected: 'absent', bytes, synced: true })
    if (report.came === 'done') return aside
    const { failure } = report
    if (failure === null) continue // there is one of that name, or somebody has touched ours
    const opened = failure.syscall !== 'open' && failure.syscall !== 'CreateFile'
    if (!opened && IN_THE_WAY.has(failure.code) && count < MOST_NAMES) continue
    // A part of a copy is nobody's data; but what could not be opened may be somebody else's.
    if (opened) await changes.make({ task: 'remove', path: aside })
    const message = `${path} is ${why}, and its bytes cannot be saved as ${aside}: ${failure.message}`
    throw new SessionError('ERR_SESSION_SYSTEM', message, { path, cause: failure })
  }
}
