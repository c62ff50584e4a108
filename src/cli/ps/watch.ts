// Does something again and again, until it is enough: its time is over, or somebody says so. Being told to end is how a watch
// ends, and no failure.
import { setTimeout as pause } from 'node:timers/promises'

const ENDINGS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** setTimeout() takes no more. */
const LONGEST = 2 ** 31 - 1

export interface Times {
  /** Milliseconds between the end of one turn and the next. */
  readonly interval: number
  /** Milliseconds in all. */
  readonly lasts: number
  readonly ending: AbortController
}

export async function watch({ interval, lasts, ending }: Times, turn: () => Promise<void>): Promise<void> {
  const end = performance.now() + lasts
  const stop = (): void => ending.abort()
  for (const signal of ENDINGS) process.on(signal, stop)
  try {
    while (!ending.signal.aborted) {
      await turn()
      const rest = Math.min(interval, end - performance.now(), LONGEST)
      if (rest <= 0) return
      await pause(rest, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  } finally {
    for (const signal of ENDINGS) process.off(signal, stop)
  }
}
