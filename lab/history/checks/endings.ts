// Every hold has an end or dies with its thread; and every thread and process ends in a way that somebody caused.
import { describe, type History } from '../history.js'
import { Violations } from './violations.js'

/** What the program answers for a process.exit() inside a section. */
const EXITED_ITSELF = 7

export function endings({ holds, threads, processes }: History): Violations {
  const violations = new Violations('every hold, thread and process has an end')
  for (const hold of holds) {
    if (hold.ended !== null || hold.limited || hold.thread.death !== Infinity) continue
    violations.add(() => `no end: ${describe(hold)}`)
  }
  for (const { name, finished, death } of threads) {
    if (!finished && death === Infinity) violations.add(() => `the log ${name} breaks off`)
  }
  for (const { process, code, killed, exited, finished } of processes) {
    const right = finished ? code === 0 || code === -1 : killed || (exited && code === EXITED_ITSELF)
    if (!right) violations.add(() => `process ${process} ended with ${code}, and nobody had caused it`)
  }
  return violations
}
