// What a process id says: whether somebody has it, and since when, where the system tells. Only the files of old gateways
// are judged by it.
import { readFileSync } from 'node:fs'

export interface ProcessFacts {
  readonly alive: boolean
  /** In clock ticks since boot: tells a process from a later one with the same id. Null where the system does not say. */
  readonly starttime: number | null
}

/** A process that has ended and was not reaped yet is not alive. */
export function processFacts(pid: number): ProcessFacts {
  const stat = procStat(pid)
  if (stat === null) return { alive: answers(pid), starttime: null }
  return { alive: !/^[ZXx]/.test(stat.state), starttime: stat.starttime }
}

/** `812 (any text) S 1 …`: the name may have spaces and parentheses, so fields are counted from behind it. */
function procStat(pid: number): { state: string; starttime: number | null } | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  const [state, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const starttime = Number(rest[18])
  return state === undefined ? null : { state, starttime: Number.isSafeInteger(starttime) ? starttime : null }
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
