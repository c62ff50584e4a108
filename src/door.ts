// The door for holdfast/session: changes to data files under a hold, which the engine makes by itself, and a place in a
// queue that is not a lock's. Whatever else a session writer needs, the public functions do.
import { Deadlines } from './coordination/deadlines.js'
import { onAbort } from './coordination/abort-fan.js'
import type { OwnedWait } from './coordination/owner-state.js'
import { clock, holdfast, kernel } from './engine.js'
import { Hold } from './hold.js'
import type { Timer } from './kernel/clock.js'
import type { Report, Wish } from './kernel/data-files.js'
import type { AcquireOptions, Request } from './options.js'

export type { FileState, Report, Wish } from './kernel/data-files.js'
export { SystemError } from './kernel/system-error.js'

/** A change that needs no lock: to a file that is the caller's alone, or a look. */
export function change(wish: Wish): Promise<Report> {
  return kernel().change(wish, null)
}

export interface Changes {
  /**
   * Makes a change. Rejects with a LockLostError, and nothing was done, if the hold has ended before it began. The `last` one
   * ends the lock with it, unless the file is not as it was expected, or the hold's owner may need it on.
   */
  make(wish: Wish, last?: boolean): Promise<Report>
}

/**
 * Runs `work`, and keeps the lock from being handed to others meanwhile; then releases the hold. A maxHold still frees the
 * lock between changes.
 */
export async function underHold<T>(hold: Hold, work: (changes: Changes) => Promise<T>): Promise<T> {
  const state = Hold.stateOf(hold)
  state.beginUse(hold)
  const make = async (wish: Wish, last = false): Promise<Report> => {
    const report = await kernel().change(wish, state.claim(last))
    if (report.came === 'lost') throw state.lossOf()
    return report
  }
  try {
    return await work({ make })
  } finally {
    hold.release()
    state.endUse()
  }
}

const deadlines = new Deadlines(clock)

export type PlaceOptions = Pick<AcquireOptions, 'timeout' | 'signal' | 'owner'>

/** A place in a queue: given up when its time runs out, its signal aborts or its owner is closed. */
export class Place implements OwnedWait {
  readonly request: Request
  private readonly began = clock.now()
  private readonly refuse: (error: unknown) => void
  private readonly position: () => number
  private left = false
  private timer: Timer | null = null
  private unlisten: (() => void) | null = null

  /** `refuse` is called at most once, and not after leave(). Throws where the request is unwanted already. */
  constructor(path: string, options: PlaceOptions, position: () => number, refuse: (error: unknown) => void) {
    this.request = holdfast.request(path, options)
    this.position = position
    this.refuse = refuse
    const { signal, owner, timeout } = this.request
    if (timeout !== Infinity) deadlines.add(this)
    if (signal !== undefined) this.unlisten = onAbort(signal, () => this.cancel(signal.reason))
    owner?.addWait(this)
  }

  get over(): boolean {
    return this.left
  }

  armTimer(): void {
    this.timer = clock.after(Math.max(0, this.began + this.request.timeout - clock.now()), () => this.expire())
  }

  /** Who is ahead waits for no lock: its turn comes. */
  blockers(): [] {
    return []
  }

  cancel(error: unknown): void {
    if (this.left) return
    this.leave()
    const { signal } = this.request
    this.refuse(signal?.aborted === true ? signal.reason : error)
  }

  /** Its turn has come. */
  leave(): void {
    this.left = true
    this.timer?.cancel()
    this.unlisten?.()
    this.request.owner?.deleteWait(this)
  }

  private expire(): void {
    this.cancel(holdfast.timedOut(this.request, clock.now() - this.began, this.position()))
  }
}
