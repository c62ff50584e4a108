// A file that cannot be read may be all that is left of somebody's data, so its bytes are kept before anything takes its
// place.
import type { Changes } from '../door.js'
import { SessionError } from './errors.js'

/** Under the lock. Resolves to the path of a copy that is whole and on the device. */
export async function keepAside(changes: Changes, path: string, bytes: Uint8Array): Promise<string> {
  const time = new Date().toISOString().replace(/[-:.]/g, '')
  for (let count = 1; ; count++) {
    const aside = `${path}.corrupt-${time}${count > 1 ? `-${count}` : ''}`
    const report = await changes.make({ task: 'append', path: aside, expected: 'absent', bytes, synced: true })
    if (report.came === 'done') return aside
    const { failure } = report
    if (failure === null) continue // there is one of that name, or somebody has touched ours
    // A part of a copy is nobody's data; but what could not be opened may be somebody else's.
    if (failure.syscall !== 'open') await changes.make({ task: 'remove', path: aside })
    const message = `${path} cannot be read, nor can its bytes be kept: ${failure.message}`
    throw new SessionError('ERR_SESSION_SYSTEM', message, { path, cause: failure })
  }
}
