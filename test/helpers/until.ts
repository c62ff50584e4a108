// Waits for a condition that nobody announces with a message. It gives up only so that a test that fails says what it
// waited for.
import { setTimeout as pause } from 'node:timers/promises'

const GIVE_UP = 20_000

export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + GIVE_UP
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not come true: ${what}`)
    await pause(2)
  }
}

/** The same without a turn of this thread's event loop. */
export function untilSync(what: string, condition: () => boolean): void {
  const end = performance.now() + GIVE_UP
  const nobody = new Int32Array(new SharedArrayBuffer(4))
  while (!condition()) {
    if (performance.now() > end) throw new Error(`did not come true: ${what}`)
    Atomics.wait(nobody, 0, 0, 1)
  }
}
