// The time that all simulated processes share, and the event loop of each: what is due runs when the schedule says so.
import type { Clock, Timer } from '../../src/kernel/clock.js'

export class Time {
  /** Monotonic, in milliseconds. */
  now = 0
  /** What the wall clock is ahead. It may go back. */
  jumped = 0

  wall(): number {
    return 1_700_000_000_000 + Math.floor(this.now) + this.jumped
  }
}

interface Task {
  readonly due: number
  readonly run: () => void
}

export class EventLoop implements Clock {
  private readonly time: Time
  private timers: Task[] = []
  private immediates: (() => void)[] = []
  private jitter = 0

  constructor(time: Time) {
    this.time = time
  }

  now(): number {
    return this.time.now
  }

  wallTime(): number {
    return this.time.wall()
  }

  random(): number {
    this.jitter = (this.jitter + 0.618034) % 1
    return this.jitter
  }

  after(delay: number, run: () => void): Timer {
    const task = { due: this.time.now + delay, run }
    let at = this.timers.length
    while (at > 0 && (this.timers[at - 1]?.due ?? 0) > task.due) at--
    this.timers.splice(at, 0, task)
    return {
      cancel: () => {
        const index = this.timers.indexOf(task)
        if (index >= 0) this.timers.splice(index, 1)
      },
    }
  }

  background(delay: number, run: () => void): Timer {
    return this.after(delay, run)
  }

  nextTurn(run: () => void): void {
    this.immediates.push(run)
  }

  get pendingTimers(): number {
    return this.timers.length
  }

  get pendingImmediates(): number {
    return this.immediates.length
  }

  get hasDueTimer(): boolean {
    const [first] = this.timers
    return first !== undefined && first.due <= this.time.now
  }

  /** Runs the first timer that is due. False when none is. */
  runTimer(): boolean {
    if (!this.hasDueTimer) return false
    this.timers.shift()?.run()
    return true
  }

  /** Runs the first task that was put off to the next turn. False when there is none. */
  runImmediate(): boolean {
    const run = this.immediates.shift()
    run?.()
    return run !== undefined
  }
}
