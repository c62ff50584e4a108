// The handle of one hold: what a caller gets, and the only thing that can release it. It refers to the inner state, and
// that refers to it only where it must not be collected.
import { duration } from './arguments.js'
import type { HoldState } from './coordination/hold-state.js'
import { invalidType } from './errors.js'
import { Owner } from './owner.js'
import type { LockRecord } from './record.js'

export class Hold implements Disposable, AsyncDisposable {
  readonly #state: HoldState

  /** @internal Holds come from acquire() and its relatives. */
  constructor(state: HoldState) {
    this.#state = state
    if (state.request.keep) state.handle = this
  }

  /** @internal */
  static stateOf(hold: Hold): HoldState {
    return hold.#state
  }

  /** What is locked: absolute, symlinks in the last component resolved. */
  get path(): string {
    return this.#state.file.target
  }

  get lockfile(): string {
    return this.#state.file.lockfile
  }

  get mode(): 'exclusive' | 'shared' {
    return this.#state.mode
  }

  /** Whoever acquires with this owner enters this hold; closing it ends the hold. */
  get owner(): Owner {
    return Owner.of(this.#state.owner)
  }

  get label(): string | undefined {
    return this.#state.request.label
  }

  get since(): Date {
    return new Date(this.#state.since)
  }

  /**
   * Larger than that of every earlier exclusive hold of this lock file, while the file's record survives; beyond that,
   * while the clock does not go back. Null for shared holds and where no record could be written.
   */
  get fence(): number | null {
    return this.#state.fence
  }

  /** Who held the lock before, if that hold did not end by its own release: its process died, or it was revoked. */
  get recoveredFrom(): LockRecord | null {
    return this.#state.recoveredFrom
  }

  /** Whether the hold lasts. Asks nobody; to ask the filesystem as well, use assertHeld(). */
  get held(): boolean {
    return this.#state.held
  }

  /**
   * Runs `fn` so that the lock cannot go to somebody else meanwhile, whatever ends the hold: it stays locked until `fn` has
   * settled. Rejects with a LockLostError, and does not call `fn`, unless the hold lasts.
   */
  async guard<T>(fn: () => T | Promise<T>): Promise<T> {
    if (typeof fn !== 'function') throw invalidType('fn', 'a function', fn)
    this.#state.enterGuard(this)
    try {
      return await fn()
    } finally {
      this.#state.exitGuard()
    }
  }

  /** The hold ends by itself `milliseconds` from now, whatever was left of its maxHold. Throws unless it lasts. */
  extend(milliseconds: number): void {
    this.#state.extend(duration('milliseconds', milliseconds))
  }

  /** Aborts with a LockLostError when the hold ends other than by release(). */
  get signal(): AbortSignal {
    return this.#state.signal
  }

  /**
   * Frees the lock before it returns, or hands it to the next waiter; while a guard is open, when that ends. Ends this hold
   * only; later calls do nothing.
   */
  release(): void {
    this.#state.end(null)
  }

  /**
   * Throws a LockLostError unless the hold lasts and its path still names the locked file. A lock file that was deleted
   * or replaced ends the hold, because others can lock the new one.
   */
  assertHeld(): void {
    this.#state.assertHeld()
  }

  [Symbol.dispose](): void {
    this.release()
  }

  /** Releases, and waits for open guards: the lock goes free when they have ended. */
  [Symbol.asyncDispose](): Promise<void> {
    this.release()
    return this.#state.guardsEnded()
  }
}
