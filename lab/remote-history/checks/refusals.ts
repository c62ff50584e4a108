// Every request ends as is documented; and the database refuses one, or takes a hold back, only where something was done to it
// or to the process.
//
// A try that an administrator cancels fails; and a lock on its way between sessions is given up when that is canceled.
//
// What is not documented is no code that the lanes know, and was written down as what may not happen.
import { describe, milliseconds, SECOND, SILENCE, type Thread } from '../../history/history.js'
import { Violations } from '../../history/checks/violations.js'
import type { RemoteHistory } from '../reading.js'

/** What is done to a session or a host has consequences for a while. */
const AFTERMATH = 2 * SECOND

export function refusals({ history, requests, troubles }: RemoteHistory): Violations {
  const violations = new Violations('nothing is refused by the database, or lost, without a cause')
  const hasCause = (thread: Thread, from: number, to: number): boolean =>
    troubles.concerns(thread.process, from, to) ||
    troubles.cancels.some((storm) => storm.from < to && storm.to + SILENCE > from) ||
    thread.silences.some((silence) => silence.from < to && silence.to + SILENCE > from)
  for (const { thread, asked, answered, refused } of requests) {
    if (refused !== 'database' && refused !== 'connection') continue
    if (hasCause(thread, asked - AFTERMATH, answered)) continue
    violations.add(() => `${thread.name}: ${refused}, asked ${milliseconds(asked)}, refused ${milliseconds(answered)}`)
  }
  for (const hold of history.holds) {
    const { thread, outcome, signalled } = hold
    if (outcome !== 'connection' || signalled === null) continue
    if (!hasCause(thread, signalled - AFTERMATH, signalled)) violations.add(() => `lost: ${describe(hold)}`)
  }
  return violations
}
