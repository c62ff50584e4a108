// Waits for what nobody announces.
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds until what is waited for is given up: longer than anything takes that happens here. */
export const LONGEST = 15_000

export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + LONGEST
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not come true: ${what}`)
    await pause(5)
  }
}
