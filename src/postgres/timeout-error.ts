// The error of a wait that ran out, with what the server tells of the holder.
import { LockTimeoutError, type LockHolder } from '../errors.js'
import { printable } from '../record.js'
import { reasonOf } from './errors.js'
import type { RemoteHolder, RemoteLockState } from './inspect-remote.js'

export function explainTimeout(error: LockTimeoutError, { holders, waiting }: RemoteLockState): LockTimeoutError {
  const { path, lockfile, waited, position, processes } = error
  const [first] = holders
  const parts = [first === undefined ? 'It was free by then' : `Held by ${describe(first)}`]
  if (holders.length > 1) parts.push(`and ${holders.length - 1} more`)
  if (waiting > 0) parts.push(`${waiting} waiting in the database`)
  const message = `Timed out after ${Math.round(waited)} ms waiting for ${path}. ${parts.join('; ')}.`
  const holder = first === undefined ? null : holderOf(first)
  return new LockTimeoutError(message, { holder, processes, waited, position }, { path, lockfile })
}

function describe({ host, pid, application, session, address }: RemoteHolder): string {
  const who = pid === null ? `"${printable(application)}"` : `pid ${pid} (host ${printable(host ?? '')})`
  return `${who}, server process ${session}${address === null ? '' : ` from ${address}`}`
}

function holderOf({ host, pid }: RemoteHolder): LockHolder | null {
  if (host === null || pid === null) return null
  const unknown = { owner: null, label: null, since: null, maxHold: null, acquiredAt: null }
  return { pid, tid: 0, host, ...unknown, here: false }
}

/** There is nobody to ask who holds it. */
export function unexplainedTimeout(error: LockTimeoutError, cause: unknown): LockTimeoutError {
  const { path, lockfile, waited, position, processes } = error
  const message = `Timed out after ${Math.round(waited)} ms waiting for ${path}. The database cannot be asked who holds it: ${reasonOf(cause)}.`
  return new LockTimeoutError(message, { holder: null, processes, waited, position }, { path, lockfile, cause })
}
