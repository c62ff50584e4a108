// Which file is what in the gateway's folder. Each has its lock beside it, `<file>.hold`.
import { join } from 'node:path'

import type { TurnName } from './files.js'

const TRANSCRIPT = '.jsonl'

/** Names of sessions are names of files: nothing in them leads out of the folder, or means something to a system. */
export function isSession(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(name) && !/^(?:con|prn|aux|nul|com\d|lpt\d)$/.test(name)
}

export function transcriptOf(folder: string, session: string): string {
  return join(folder, session + TRANSCRIPT)
}

/** The session of a transcript, by its file's name; null for other files. */
export function sessionOf(file: string): string | null {
  const session = file.endsWith(TRANSCRIPT) ? file.slice(0, -TRANSCRIPT.length) : ''
  return isSession(session) ? session : null
}

/** There is no such file: it stands for the right to answer, and only its lock is there. */
export function turnOf(folder: string, session: string, turn: TurnName): string {
  return join(folder, `${session}.${turn}`)
}

export function storeOf(folder: string): string {
  return join(folder, 'sessions.json')
}

/** The browser's profile, which one sub-agent can use at a time. */
export function browserOf(folder: string): string {
  return join(folder, 'browser')
}

/** Held by the gateway as long as it runs: there is one for each folder. */
export function gatewayOf(folder: string): string {
  return join(folder, 'gateway')
}
