// No wake-up is lost: whoever waits exclusively while nobody can hold the file is granted within two seconds of such time.
//
// Nobody can hold it: no hold of it lasts or may last, and no thread that does not run may have been granted it without knowing.
// Moments between a release and the next grant do not count, nor does time in which the waiter itself does not run.
import { latestEnd, milliseconds, SECOND, SILENCE, type History, type HoldRecord, type Span } from '../history.js'
import { Violations } from './violations.js'

const PATIENCE = 2 * SECOND

export function wakeUps(history: History): Violations {
  const violations = new Violations('no wake-up is lost')
  const free = history.plan.files.map((_, file) => freeSpans(history, file))
  for (const { file, mode, thread, asked, answered, granted } of history.waits) {
    if (mode === 'shared' || answered - asked < PATIENCE) continue
    let idle = 0
    for (const span of free[file] ?? []) {
      const from = Math.max(span.from, asked)
      const to = Math.min(span.to, answered)
      if (to <= from) continue
      const rest = to - from - overlapped(thread.silences, from, to)
      if (rest > SILENCE) idle += rest
    }
    if (idle < PATIENCE) continue
    violations.add(() => {
      const end = granted ? 'was granted' : 'gave up'
      return `${thread.name} asked for file ${file} at ${milliseconds(asked)} and ${end} at ${milliseconds(answered)}; it was free for ${milliseconds(idle)}`
    })
  }
  return violations
}

function overlapped(spans: readonly Span[], from: number, to: number): number {
  let sum = 0
  for (const span of spans) sum += Math.max(0, Math.min(to, span.to + SILENCE) - Math.max(from, span.from))
  return sum
}

/** When nobody can have held the file, for longer than a moment. */
export function freeSpans(history: History, file: number): Span[] {
  const busy = [...(history.obscure[file] ?? [])]
  for (const hold of history.holds)
    if (hold.file === file) busy.push({ from: earliestStart(hold), to: latestEnd(hold) })
  for (const { files, from, to } of history.several) if (files.includes(file)) busy.push({ from, to })
  busy.sort((one, other) => one.from - other.from)
  const free: Span[] = []
  let until = 0
  for (const { from, to } of [...busy, { from: history.end, to: history.end }]) {
    if (from - until > SILENCE) free.push({ from: until, to: from })
    until = Math.max(until, to)
  }
  return free
}

/** It was granted no earlier, but for times in which its thread did not run: they are obscure anyway. */
function earliestStart({ asked, start }: HoldRecord): number {
  return Math.max(asked, start - SILENCE)
}
