// A clock that a test turns by hand. Nothing happens by itself; what is due happens in order.
import type { Clock, Timer } from '../../src/kernel/clock.js'

interface Task {
  readonly due: number
  readonly task: () => void
}

export class FakeClock implements Clock {
  private time = 0
  /** Told whenever time has passed, before anything that is due. */
  onPass: () => void = () => {}
  private readonly timers = new Set<Task>()
  private turns: (() => void)[] = []
  /** What random() answers. */
  randomness = 0.5

  now(): number {
    return this.time
  }

  wallTime(): number {
    return 1_700_000_000_000 + Math.floor(this.time)
  }

  random(): number {
    return this.randomness
  }

  after(delay: number, task: () => void): Timer {
    const timer = { due: this.time + delay, task }
    this.timers.add(timer)
    return { cancel: () => void this.timers.delete(timer) }
  }

  background(delay: number, task: () => void): Timer {
    return this.after(delay, task)
  }

  nextTurn(task: () => void): void {
    this.turns.push(task)
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.timers.size
  }

  /** The event loop's turn: what was put off to it runs. */
  turn(): void {
    const turns = this.turns
    this.turns = []
    for (const task of turns) task()
  }

  /** Lets time pass without running anything: a blocked event loop. */
  block(milliseconds: number): void {
    this.pass(this.time + milliseconds)
  }

  /** Lets time pass, the event loop turning, and runs each timer at its moment. */
  advance(milliseconds: number): void {
    this.turn()
    this.fire(milliseconds)
  }

  /** The timers that are due, before the event loop has its turn. */
  fire(milliseconds = 0): void {
    const end = this.time + milliseconds
    for (let next = this.next(end); next !== undefined; next = this.next(end)) {
      this.timers.delete(next)
      this.pass(next.due)
      next.task()
    }
    this.pass(end)
  }

  private pass(to: number): void {
    this.time = Math.max(this.time, to)
    this.onPass()
  }

  private next(end: number): Task | undefined {
    let first: Task | undefined
    for (const timer of this.timers) {
      if (timer.due <= end && (first === undefined || timer.due < first.due)) first = timer
    }
    return first
  }
}
