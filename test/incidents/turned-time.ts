// Time that passes only while somebody sleeps: a wait of minutes is over at once. For one sleeper at a time.
import { setImmediate as turn } from 'node:timers/promises'

import type { Time } from '../../examples/lock-files/lock-files.mjs'

export const SECOND = 1000
export const MINUTE = 60 * SECOND

export class TurnedTime implements Time {
  private time = Date.now()

  now(): number {
    return this.time
  }

  async sleep(milliseconds: number): Promise<void> {
    this.time += milliseconds
    await turn()
  }
}
