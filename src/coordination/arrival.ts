// Where requests for one path stand while it is found out which lock the path means.
//
// On a distant filesystem, looking whether the target is a link may take for ever. So a thread looks, and those who ask
// meanwhile wait here, with their deadlines and their order, before they queue for the lock.
import type { Kernel, Lease, LockTarget } from '../kernel/kernel.js'
import type { Clock } from '../kernel/clock.js'
import { LinkedList } from './linked-list.js'
import { Polling } from './polling.js'
import { systemError } from './system-error.js'
import { timeoutError } from './timeout-error.js'
import type { Line, Waiter } from './waiter.js'

/** As many as Linux follows. What lies behind more of them nobody can open. */
const MOST_LINKS = 40

/** What a line is told when something that it waits for has settled. */
export interface Settling {
  settled(lease: Lease): void
}

interface Registry {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly arrivals: Map<string, Arrival>
  readonly waits: Map<Lease, Settling>
  /** Where requests for a file go next. */
  lineFor(file: LockTarget, links: number): { enqueue(waiter: Waiter): void }
}

export class Arrival implements Line, Settling {
  private readonly registry: Registry
  private readonly target: string
  /** How many links led here. */
  private readonly links: number
  private readonly waiters = new LinkedList<Waiter>()
  private wait: Lease | null = null
  private polling: Polling | null = null

  constructor(registry: Registry, target: string, links: number) {
    this.registry = registry
    this.target = target
    this.links = links
    registry.arrivals.set(target, this)
  }

  enqueue(waiter: Waiter): void {
    waiter.line = this
    this.waiters.add(waiter)
    if (this.wait === null && this.polling === null) this.look()
  }

  expired(waiter: Waiter): void {
    const place = [...this.waiters].indexOf(waiter) + 1
    this.remove(waiter, timeoutError(this.registry.kernel, waiter.request, waiter.waited, place, undefined))
  }

  cancelled(waiter: Waiter, error: unknown): void {
    this.remove(waiter, error)
  }

  /** Whose lock it will be is not known yet. */
  blockersOf(): [] {
    return []
  }

  settled(lease: Lease): void {
    const { kernel } = this.registry
    const destination = this.looked(lease)
    this.end()
    for (const waiter of [...this.waiters]) {
      this.waiters.delete(waiter)
      try {
        const file = kernel.follow(waiter.request.file, this.links < MOST_LINKS ? destination() : null)
        waiter.request = { ...waiter.request, file }
        this.registry.lineFor(file, this.links + 1).enqueue(waiter)
      } catch (error) {
        waiter.refuse(systemError(error, waiter.request.file))
      }
    }
  }

  /** What each waiter is told: where the link leads, or why nobody knows. */
  private looked(lease: Lease): () => string | null {
    try {
      const destination = this.registry.kernel.looked(lease, this.target)
      return () => destination
    } catch (error) {
      return () => {
        throw error
      }
    }
  }

  private look(): void {
    const answer = this.registry.kernel.look(this.target)
    if (answer.kind === 'waiting') {
      this.polling = null
      this.wait = answer.lease
      this.registry.waits.set(answer.lease, this)
    } else {
      this.polling ??= new Polling(this.registry.clock)
      this.polling.schedule(() => this.look())
    }
  }

  private remove(waiter: Waiter, error: unknown): void {
    this.waiters.delete(waiter)
    waiter.refuse(error)
    if (this.waiters.first !== null) return
    const { wait } = this
    this.end()
    if (wait !== null) this.registry.kernel.drop(wait)
  }

  private end(): void {
    if (this.wait !== null) this.registry.waits.delete(this.wait)
    this.polling?.cancel()
    if (this.registry.arrivals.get(this.target) === this) this.registry.arrivals.delete(this.target)
  }
}
