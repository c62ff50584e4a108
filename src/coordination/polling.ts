// The wait of last resort, when there is no thread to wait on: timed tries, further and further apart. The jitter keeps
// processes that fell back together from trying together for ever.
import type { Clock, Timer } from '../kernel/clock.js'

const FIRST_PAUSE = 1
const LONGEST_PAUSE = 50

export class Polling {
  private pause = FIRST_PAUSE
  private timer: Timer | null = null
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Between two tries. */
  get pausing(): boolean {
    return this.timer !== null
  }

  /** Runs `attempt` after the next pause. */
  schedule(attempt: () => void): void {
    const jittered = this.pause * (0.5 + this.clock.random() / 2)
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE)
    this.timer = this.clock.after(jittered, () => {
      this.timer = null
      attempt()
    })
  }

  cancel(): void {
    this.timer?.cancel()
    this.timer = null
  }
}
