// So many runs at once, each in a lane of its own. However a lane ends, by its work, by its time or by the gateway's end,
// nothing of it holds or waits for a lock afterwards: its owner is closed.
import { Owner } from 'holdfast'

import type { LanesState } from './page/state.js'

export interface Lane {
  readonly label: string
  /** Closed when the lane ends. Every lock of a run is acquired with it. */
  readonly owner: Owner
  /** Aborts when the lane ends before its work. */
  readonly signal: AbortSignal
}

/** Work took longer than its lane allows. It may go on, but can write nothing any more. */
export class LaneTimeoutError extends Error {
  override readonly name = 'LaneTimeoutError'
}

export class Lanes {
  private readonly name: string
  private readonly size: number
  /** Milliseconds. */
  private readonly timeout: number
  private readonly open = new Set<AbortController>()
  private readonly waiting: (() => void)[] = []
  private ended: { readonly reason: unknown } | null = null

  constructor(name: string, { size, timeout }: { size: number; timeout: number }) {
    this.name = name
    this.size = size
    this.timeout = timeout
  }

  get state(): LanesState {
    return { busy: this.open.size, size: this.size, waiting: this.waiting.length }
  }

  /** Waits for a free lane, first come first served. Rejects with the lane's end if that comes before the work's. */
  async run<T>(what: string, work: (lane: Lane) => Promise<T>): Promise<T> {
    const ending = new AbortController()
    if (this.open.size < this.size) this.open.add(ending)
    else await new Promise<void>((resolve) => this.waiting.push(() => resolve(void this.open.add(ending))))
    try {
      return await this.inLane(`${this.name} ${what}`, ending, work)
    } finally {
      this.open.delete(ending)
      this.waiting.shift()?.() // takes the place before anybody else can
    }
  }

  /** Ends every lane, and begins no more. */
  close(reason: unknown): void {
    this.ended ??= { reason }
    for (const ending of this.open) ending.abort(reason)
  }

  private async inLane<T>(label: string, ending: AbortController, work: (lane: Lane) => Promise<T>): Promise<T> {
    if (this.ended !== null) ending.abort(this.ended.reason)
    ending.signal.throwIfAborted()
    const late = (): void => ending.abort(new LaneTimeoutError(`${label} took longer than ${this.timeout} ms`))
    const timer = setTimeout(late, this.timeout)
    const owner = new Owner(label, { signal: ending.signal })
    try {
      return await Promise.race([work({ label, owner, signal: ending.signal }), aborted(ending.signal)])
    } finally {
      clearTimeout(timer)
      owner.close()
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
