// Several simulated threads on one simulated system: the public functions, composed with a fake kernel and clock.
import { Holdfast } from '../../src/holdfast.js'
import type { Clock, Timer } from '../../src/kernel/clock.js'
import { FakeClock } from './fake-clock.js'
import { FakeSystem, type FakeKernel } from './fake-kernel.js'

export interface FakeThread {
  readonly holdfast: Holdfast
  readonly kernel: FakeKernel
  readonly clock: Clock
  /** It ends: what it held is free, and nothing that it put off is ever run. */
  terminate(): void
}

export class FakeWorld {
  readonly system = new FakeSystem()
  readonly clock = new FakeClock()

  constructor() {
    this.system.now = () => this.clock.now()
    this.clock.onPass = () => {
      if (!this.system.watchdogSleeps) this.system.watch()
    }
  }

  thread(): FakeThread {
    const kernel = this.system.open()
    const clock = new ThreadClock(this.clock)
    const terminate = (): void => {
      clock.stop()
      this.system.terminate(kernel)
    }
    return { kernel, clock, terminate, holdfast: new Holdfast(() => kernel, clock) }
  }
}

/** The world's clock as one thread sees it, as long as that lives. */
class ThreadClock implements Clock {
  private readonly world: FakeClock
  private readonly timers = new Set<Timer>()
  private stopped = false

  constructor(world: FakeClock) {
    this.world = world
  }

  stop(): void {
    this.stopped = true
    for (const timer of this.timers) timer.cancel()
  }

  now(): number {
    return this.world.now()
  }

  wallTime(): number {
    return this.world.wallTime()
  }

  random(): number {
    return this.world.random()
  }

  after(delay: number, task: () => void): Timer {
    const cancel = (): void => {
      inner.cancel()
      this.timers.delete(timer)
    }
    const inner = this.world.after(delay, () => {
      this.timers.delete(timer)
      task()
    })
    const timer = { cancel }
    this.timers.add(timer)
    return timer
  }

  background(delay: number, task: () => void): Timer {
    return this.after(delay, task)
  }

  nextTurn(task: () => void): void {
    this.world.nextTurn(() => {
      if (!this.stopped) task()
    })
  }
}

/** Lets everything that is settled be seen by those who await it. */
export async function microtasks(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** What became of each promise so far, by its name. */
export function watch<T>(promises: Record<string, Promise<T>>): { order: string[]; values: Map<string, T> } {
  const order: string[] = []
  const values = new Map<string, T>()
  for (const [name, promise] of Object.entries(promises)) {
    promise.then(
      (value) => {
        order.push(name)
        values.set(name, value)
      },
      () => void order.push(`${name} rejected`),
    )
  }
  return { order, values }
}
