// The history, and what only an engine on many hosts has: what was done to its sessions, and what the server said of itself.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { CODES, KIND, readEvents, type Code } from '../history/events.js'
import type { History, Thread } from '../history/history.js'
import { logsOf } from '../history/plan.js'
import { maskedFiles, readHistory } from '../history/reading.js'
import { readRemotePlan, SAMPLES, type RemotePlan } from './plan.js'
import { Troubles } from './troubles.js'
import type { Sample } from './watch.js'

/** A line of the samples. */
export type Line = Sample | { readonly quiet: readonly string[] }

/** Infinity, and null, where it was never answered. */
export interface Request {
  readonly thread: Thread
  readonly files: readonly number[]
  readonly asked: number
  answered: number
  /** Why; null for a grant. */
  refused: Code | null
}

export interface RemoteHistory {
  readonly plan: RemotePlan
  readonly history: History
  readonly troubles: Troubles
  readonly requests: readonly Request[]
  readonly samples: readonly Sample[]
  /** What was not as it should be, of each quiet moment. */
  readonly quiet: readonly (readonly string[])[]
}

export function readRemoteHistory(folder: string): RemoteHistory {
  const plan = readRemotePlan(folder)
  const history = readHistory(folder)
  const troubles = new Troubles(plan)
  endWithConnection(history, troubles)
  const file = join(folder, SAMPLES)
  const text = existsSync(file) ? readFileSync(file, 'utf8').trimEnd() : ''
  const lines = text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Line) // written by run.ts
  const samples = lines.filter((line) => 'busy' in line)
  const quiet = lines.flatMap((line) => ('quiet' in line ? [line.quiet] : []))
  return { plan, history, troubles, requests: readRequests(history), samples, quiet }
}

function readRequests({ threads, plan }: History): Request[] {
  const requests: Request[] = []
  for (const thread of threads) {
    const open = new Map<number, Request>()
    for (const event of readEvents(readFileSync(join(logsOf(plan.folder), thread.name)), BigInt(plan.base))) {
      const { kind, id, time } = event
      if (kind === KIND.ask || kind === KIND.askAll) {
        const files = kind === KIND.ask ? [event.file] : maskedFiles(event.a)
        const request: Request = { thread, files, asked: time, answered: Infinity, refused: null }
        open.set(id, request)
        requests.push(request)
      } else if (kind === KIND.grant || kind === KIND.refused) {
        const request = open.get(kind === KIND.grant ? event.extra : id)
        if (request === undefined) continue
        request.answered = time
        request.refused = kind === KIND.refused ? (CODES[event.code] ?? 'other') : null
      }
    }
  }
  return requests
}

/**
 * A guard keeps a lock that is there: one that is lost with its connection it does not. Of a hold that lasts, the signal tells
 * when; of one that had ended before, nobody can know better than by what was done to its process.
 */
function endWithConnection({ holds }: History, troubles: Troubles): void {
  for (const hold of holds) {
    const { signalled, outcome, guards, ended, thread } = hold
    if (signalled !== null && outcome === 'connection') hold.ended = Math.min(ended ?? Infinity, signalled)
    for (const guard of guards ?? []) {
      const from = outcome === 'connection' ? signalled : ended
      if (from === null || guard.to === null || guard.to <= from) continue
      const lost = outcome === 'connection' ? from : troubles.firstOf(thread.process, from)
      guard.to = Math.min(guard.to, Math.max(guard.from, lost))
    }
  }
}
