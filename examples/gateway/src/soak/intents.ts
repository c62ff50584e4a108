// What a process is about to write, noted before it does. Whoever is killed in between has promised nothing; but what of it
// stands in a file then has an author, and was not made up by the file.
//
// The log says more than was done, never less: the opposite of that of acknowledged.ts.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

import type { Files, SessionFiles } from '../files.js'
import type { Line } from '../lines.js'
import type { Sent } from '../ledger/account.js'
import { readStanding } from '../ledger/standing.js'

export interface Intent {
  readonly session: string
  readonly key: string
  readonly at: number
}

/** The same files. Notes messages: of all other lines the transcript tells to which message they belong. */
export function intending(files: Files, log: string): Files {
  return {
    sessions: () => files.sessions(),
    open: async (session) =>
      noting(await files.open(session), ({ type, key, at }) => {
        if (type === 'message') appendFileSync(log, `${JSON.stringify({ session, key, at } satisfies Intent)}\n`)
      }),
    update: (change, signal) => files.update(change, signal),
    browser: (lane) => files.browser(lane),
    close: () => files.close(),
  }
}

function noting(files: SessionFiles, note: (line: Line) => void): SessionFiles {
  return {
    append: async (line, signal) => {
      note(line)
      await files.append(line, signal)
    },
    read: () => files.read(),
    follow: (signal) => files.follow(signal),
    turn: (name, lane) => files.turn(name, lane),
    cutOff: () => files.cutOff(),
    compact: (shorten) => files.compact(shorten),
    close: () => files.close(),
  }
}

/** Of logs that need not be there. */
export function readIntents(logs: readonly string[]): Intent[] {
  return logs
    .filter((log) => existsSync(log))
    .flatMap((log) => readFileSync(log, 'utf8').split('\n'))
    .flatMap(intentOf)
}

/** Nothing, for a line in whose middle the process was killed: it wrote nothing afterwards. */
function intentOf(text: string): Intent[] {
  try {
    return [JSON.parse(text) as Intent]
  } catch {
    return []
  }
}

/**
 * The intents that came to something, as messages that were sent: they stand in their transcript, so they are in the queue,
 * and are to be answered like all others. Those that do not stand there were given up, or were promised, which the ledger
 * knows from the promise.
 */
export function sentByIntent(folder: string, intents: readonly Intent[]): Sent[] {
  const standing = new Map<string, ReadonlySet<string>>()
  for (const { session } of intents) {
    if (!standing.has(session)) standing.set(session, new Set(readStanding(folder, session).messages))
  }
  return intents
    .filter(({ session, key }) => standing.get(session)?.has(key) === true)
    .map((intent) => ({ ...intent, acknowledged: false }))
}
