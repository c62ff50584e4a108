// No wake-up is lost, and nobody starves: while the database says that nobody has a lock or wants it there, nobody waits for it
// either; and no wait lasts for ever.
//
// A wait may stand in line inside its process, behind four others that wait in the database; each of those is sent to the end of
// the line after a second. So a lock may lie idle for as many seconds as there are lanes, and not for longer.
import { milliseconds, SECOND, type Span } from '../../history/history.js'
import { Violations } from '../../history/checks/violations.js'
import type { RemoteHistory } from '../reading.js'
import type { Sample } from '../watch.js'

/** Between two looks at the server; it was not there if it took longer. */
const GAP = 1 * SECOND
/** For a wait that nothing is done to. */
const LONGEST = 30 * SECOND

export function idle({ plan, history, troubles, samples }: RemoteHistory): Violations {
  const violations = new Violations('nobody waits for a lock that nobody has, and nobody waits for ever')
  const patience = (2 + plan.lanes) * SECOND
  const idle = plan.files.map((_, file) => idleSpans(samples, file).filter(({ from, to }) => to - from >= patience))
  for (const { thread, file, asked, answered, granted } of history.waits) {
    const end = granted ? 'was granted' : 'gave up'
    const what = `${thread.name} asked for name ${file} at ${milliseconds(asked)} and ${end} at ${milliseconds(answered)}`
    for (const span of idle[file] ?? []) {
      const [from, to] = [Math.max(span.from, asked), Math.min(span.to, answered)]
      if (to - from < patience || troubles.concerns(thread.process, from - SECOND, to)) continue
      if (thread.silences.some((silence) => silence.from < to && silence.to > from)) continue
      violations.add(() => `${what}; the database knew of nobody from ${milliseconds(from)} to ${milliseconds(to)}`)
    }
    if (answered - asked > LONGEST) violations.add(() => `for too long: ${what}`)
  }
  return violations
}

/** While every look at the server showed that nobody has the lock or wants it. */
function idleSpans(samples: readonly Sample[], file: number): Span[] {
  const spans: Span[] = []
  let last: Span | null = null
  for (const { from, to, busy } of samples) {
    if (busy.includes(file)) {
      last = null
    } else if (last !== null && from - last.to < GAP) {
      last.to = to
    } else {
      last = { from, to }
      spans.push(last)
    }
  }
  return spans
}
