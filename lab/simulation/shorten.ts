// Makes a failing schedule short: leaves out runs of steps, long ones first, for as long as what is left still fails.
import { play } from './play.js'
import type { Schedule, Step } from './steps.js'

const MOST_PLAYS = 3000

/** The same kind of violation, whoever it befell. */
function kindOf(violation: string): string {
  return violation.replace(/\d+/g, '#').split('\n')[0] ?? ''
}

export async function shorten(schedule: Schedule): Promise<Schedule> {
  const first = await play(schedule)
  const wanted = new Set(first.violations.map(kindOf))
  let plays = 0
  const fails = async (steps: readonly Step[]): Promise<boolean> => {
    plays++
    const { violations } = await play({ ...schedule, steps })
    return violations.some((violation) => wanted.has(kindOf(violation)))
  }
  let steps = schedule.steps.slice(0, first.steps)
  for (let size = steps.length >> 1; size > 0 && plays < MOST_PLAYS;) {
    let shorter = false
    for (let at = 0; at < steps.length && plays < MOST_PLAYS;) {
      const rest = [...steps.slice(0, at), ...steps.slice(at + size)]
      if (await fails(rest)) {
        steps = rest
        shorter = true
      } else {
        at += size
      }
    }
    if (size > 1) size >>= 1
    else if (!shorter) break
  }
  return { ...schedule, steps }
}
