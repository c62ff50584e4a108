// Time, as coordination sees it: monotonic, and standing still while the machine is suspended. Wall time takes part
// in no decision. Injected, so that tests can turn it by hand.

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number
  /** Wall time in milliseconds since 1970, for records and people only. */
  wallTime(): number
  /** Runs `task` no earlier than `delay` milliseconds from now, however long that is. */
  after(delay: number, task: () => void): Timer
  /** The same, but waiting for it does not keep the process alive. */
  background(delay: number, task: () => void): Timer
  /** Runs `task` once the event loop has had a turn. */
  nextTurn(task: () => void): void
  /** A number in [0, 1), for jitter. */
  random(): number
}

/** The longest delay setTimeout() takes; beyond it, it would fire at once. */
const LONGEST_TIMEOUT = 2 ** 31 - 1

class ChainedTimer implements Timer {
  private readonly end: number
  private readonly task: () => void
  private readonly background: boolean
  private timeout: NodeJS.Timeout

  constructor(delay: number, task: () => void, background: boolean) {
    this.end = performance.now() + delay
    this.task = task
    this.background = background
    this.timeout = this.arm(delay)
  }

  cancel(): void {
    clearTimeout(this.timeout)
  }

  private arm(delay: number): NodeJS.Timeout {
    const timeout = setTimeout(() => this.fire(), Math.min(Math.ceil(delay), LONGEST_TIMEOUT))
    return this.background ? timeout.unref() : timeout
  }

  private fire(): void {
    const rest = this.end - performance.now()
    if (rest > 0) this.timeout = this.arm(rest)
    else this.task()
  }
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after: (delay, task) => new ChainedTimer(delay, task, false),
  background: (delay, task) => new ChainedTimer(delay, task, true),
  nextTurn: (task) => void setImmediate(task),
  random: () => Math.random(),
}
