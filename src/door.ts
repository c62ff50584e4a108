// The door for holdfast/session: changes to data files under a hold, which the engine makes by itself, and a place in a
// queue that is not a lock's. Whatever else a session writer needs, the public functions do.
import { Deadlines, type Mortal } from './coordination/deadlines.js'
import { onAbort } from './coordination/abort-fan.js'
import type { OwnedWait, OwnerState } from './coordination/owner-state.js'
import { refuseIfUnwanted } from './coordination/waiter.js'
import { clock, holdfast, kernel } from './engine.js'
import { Hold } from './hold.js'
import type { Timer } from './kernel/clock.js'
import type { Report, Wish } from './kernel/data-files.js'
import type { AcquireOptions, Request } from './options.js'
import { Owner } from './owner.js'
import { bootId } from './record-page.js'
import { parseRecord } from './record.js'

export type { FileState, Report, Wish } from './kernel/data-files.js'
export type { Request } from './options.js'
export { onAbort } from './coordination/abort-fan.js'
export { isFileOf } from './kernel/same-file.js'
export { SystemError, systemErrorOf } from './kernel/system-error.js'

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
 * lock between changes. Works under one lock come one after another, also those of holds of one owner; where none is under
 * way, this one begins at once.
 */
export async function underHold<T>(hold: Hold, work: (changes: Changes) => Promise<T>): Promise<T> {
  const state = Hold.stateOf(hold)
  const turn = state.beginUse(hold)
  const make = async (wish: Wish, last = false): Promise<Report> => {
    const report = await kernel().change(wish, state.claim(last))
    if (report.came === 'lost') throw state.lossOf()
    return report
  }
  try {
    if (turn !== null) await turn
    return await work({ make })
  } finally {
    state.endUse()
    hold.release()
  }
}

/** Most places are left within milliseconds, but not within a turn of the event loop: before that they get no timer. */
const PATIENCE = 10
const deadlines = new Deadlines(clock)
const laterDeadlines = new Deadlines({ ...clock, nextTurn: (task) => void clock.after(PATIENCE, task) })

/** The request that places are for; throws as acquire() would for its arguments. */
export function requestFor(path: string | URL, options: AcquireOptions): Request {
  return holdfast.request(path, options)
}

/** Whether the last to hold the lock exclusively did so before the machine was started: what he wrote may be damaged. */
export function isOfEarlierBoot({ file }: Request): boolean {
  const record = parseRecord(kernel().peek(file))
  return record !== null && record.boot !== null && record.boot !== bootId()
}

export interface PlaceOptions {
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly owner?: Owner | undefined
}

/** A place in a queue that is not a lock's. It is given up when its time runs out, its signal aborts or its owner is closed. */
export class Place implements OwnedWait, Mortal {
  private readonly base: Request
  private readonly own: {
    readonly timeout: number
    readonly signal: AbortSignal | undefined
    readonly owner: OwnerState | null
  }
  private readonly began = clock.now()
  private readonly refuse: (error: unknown) => void
  private readonly position: () => number
  private left = false
  private timer: Timer | null = null
  private unlisten: (() => void) | null = null

  /**
   * `position` is asked where it stood when time ran out; `refuse` is called at most once, and not after leave(). Throws
   * where it is unwanted already.
   */
  constructor(request: Request, options: PlaceOptions, position: () => number, refuse: (error: unknown) => void) {
    const owner = options.owner === undefined ? null : Owner.stateOf(options.owner)
    const { signal, timeout = owner?.timeout ?? request.timeout } = options
    this.base = request
    this.own = { timeout, signal, owner }
    this.position = position
    this.refuse = refuse
    if (signal !== undefined || owner !== null) refuseIfUnwanted(this.request)
    if (timeout !== Infinity) (timeout > 2 * PATIENCE ? laterDeadlines : deadlines).add(this)
    if (signal !== undefined) this.unlisten = onAbort(signal, () => this.cancel(signal.reason))
    owner?.addWait(this)
  }

  /** Made when somebody asks: most places are left before that. */
  get request(): Request {
    return { ...this.base, ...this.own }
  }

  get over(): boolean {
    return this.left
  }

  armTimer(): void {
    const rest = this.began + this.own.timeout - clock.now()
    this.timer = clock.after(Math.max(0, rest), () => this.expire())
  }

  /** Who is ahead waits for nothing of this owner: its turn comes. */
  blockers(): [] {
    return []
  }

  cancel(error: unknown): void {
    if (this.left) return
    this.leave()
    const { signal } = this.own
    this.refuse(signal?.aborted === true ? signal.reason : error)
  }

  /** Its turn has come. */
  leave(): void {
    if (this.left) return
    this.left = true
    this.timer?.cancel()
    this.unlisten?.()
    this.own.owner?.deleteWait(this)
  }

  private expire(): void {
    if (!this.left) this.cancel(holdfast.timedOut(this.request, clock.now() - this.began, this.position()))
  }
}
