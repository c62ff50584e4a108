// Several simulated threads on one simulated system: the public functions, composed with a fake kernel and clock.
import { Holdfast } from '../../src/holdfast.js'
import { FakeClock } from './fake-clock.js'
import { FakeSystem, type FakeKernel } from './fake-kernel.js'

export interface FakeThread {
  readonly holdfast: Holdfast
  readonly kernel: FakeKernel
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
    return { kernel, holdfast: new Holdfast(() => kernel, this.clock) }
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
