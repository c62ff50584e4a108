// A process has one connection and at most four more, at every moment at which somebody looked.
//
// The server takes its time to notice that a connection has ended, so what it counts is compared only while nothing is done to
// the process, and had been done to it for a while. What the process itself has is compared always.
import { SECOND } from '../../history/history.js'
import { Violations } from '../../history/checks/violations.js'
import type { RemoteHistory } from '../reading.js'

const MOST = 1 + 4

export function connections({ plan, history, troubles, samples }: RemoteHistory): Violations {
  const violations = new Violations(`no process has more than ${MOST} connections`)
  const aftermath = plan.heartbeat.server * 1e6 + 5 * SECOND
  const silences = new Map(history.threads.map(({ process, silences }) => [process, silences]))
  for (const { from, to, sessions, sockets } of samples) {
    for (const [process, count] of Object.entries(sockets)) {
      if (count > MOST) violations.add(() => `process ${process} has ${count}`)
    }
    for (const [process, count] of Object.entries(sessions)) {
      const number = Number(process)
      if (count <= MOST || troubles.concerns(number, from - aftermath, to)) continue
      if (silences.get(number)?.some((silence) => silence.from < to && silence.to > from - aftermath) === true) continue
      violations.add(() => `the server knows ${count} of process ${process}`)
    }
  }
  return violations
}
