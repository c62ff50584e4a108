// A process has one connection and at most four more, at every moment at which somebody looked.
//
// The server takes its time to notice that a connection has ended; and an attempt to connect that was given up, because nobody
// answered in time, goes on until somebody does. So they are counted while nothing is done to the process, and was for a while.
import { SECOND } from '../../history/history.js'
import { Violations } from '../../history/checks/violations.js'
import type { RemoteHistory } from '../reading.js'

const MOST = 1 + 4

export function connections({ plan, history, troubles, samples }: RemoteHistory): Violations {
  const violations = new Violations(`no process has more than ${MOST} connections`)
  const aftermath = plan.heartbeat.server * 1e6 + 5 * SECOND
  const silences = new Map(history.threads.map(({ process, silences }) => [process, silences]))
  for (const { from, to, sessions, sockets } of samples) {
    const calm = (process: number): boolean =>
      !troubles.concerns(process, from - aftermath, to) &&
      silences.get(process)?.some((silence) => silence.from < to && silence.to > from - aftermath) !== true
    for (const [who, counts] of [
      ['the server knows', sessions],
      ['it has', sockets],
    ] as const) {
      for (const [process, count] of Object.entries(counts)) {
        if (count > MOST && calm(Number(process))) violations.add(() => `of process ${process} ${who} ${count}`)
      }
    }
  }
  return violations
}
