// Bytes that are about to be cut off or replaced, or that somebody may go on to, are saved beside their file first, under a
// name that says why and when.
import type { Changes } from '../door.js'
import { SessionError } from './errors.js'

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
    // A part of a copy is nobody's data; but what could not be opened may be somebody else's.
    if (failure.syscall !== 'open') await changes.make({ task: 'remove', path: aside })
    const message = `${path} is ${why}, and its bytes cannot be saved beside it: ${failure.message}`
    throw new SessionError('ERR_SESSION_SYSTEM', message, { path, cause: failure })
  }
}
