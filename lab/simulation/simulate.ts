// Plays schedule after schedule, each with a seed of its own, until so many steps were made.
import { play, prepare } from './play.js'
import { Random } from './random.js'
import { schedule, type Schedule } from './steps.js'

export interface Failure {
  readonly seed: number
  readonly schedule: Schedule
  /** Steps that were made before it was found, in all schedules. */
  readonly after: number
  readonly violations: readonly string[]
}

export interface Summary {
  readonly schedules: number
  readonly steps: number
  readonly failures: readonly Failure[]
  /** Seeds that did not play the same way twice. */
  readonly unstable: readonly number[]
  readonly seen: ReadonlyMap<string, number>
}

export interface Bounds {
  readonly seed: number
  readonly steps: number
  readonly schedules: number
  /** One schedule in so many is played twice. */
  readonly again: number
  readonly mostFailures: number
}

export interface Listeners {
  readonly onProgress?: (steps: number) => void
  readonly onFailure?: (failure: Failure) => Promise<void> | void
}

export async function simulate(
  { seed: first, steps: most, schedules: mostSchedules, again, mostFailures }: Bounds,
  { onProgress = () => {}, onFailure = () => {} }: Listeners = {},
): Promise<Summary> {
  const end = prepare()
  const failures: Failure[] = []
  const unstable: number[] = []
  const seen = new Map<string, number>()
  let steps = 0
  let schedules = 0
  try {
    while (steps < most && schedules < mostSchedules && failures.length < mostFailures) {
      const seed = first + schedules++
      const plan = schedule(new Random(seed))
      const outcome = await play(plan)
      steps += outcome.steps
      for (const [what, times] of outcome.seen) seen.set(what, (seen.get(what) ?? 0) + times)
      if (outcome.violations.length > 0) {
        const failure = { seed, schedule: plan, after: steps, violations: outcome.violations }
        failures.push(failure)
        await onFailure(failure)
      }
      if (schedules % again === 0 && (await play(plan)).hash !== outcome.hash) unstable.push(seed)
      onProgress(steps)
    }
  } finally {
    end()
  }
  return { schedules, steps, failures, unstable, seen }
}
