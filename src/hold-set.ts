// Several holds as one: what acquireAll() answers.
import { invalidType } from './errors.js'
import type { Hold } from './hold.js'

export class HoldSet implements Disposable, AsyncDisposable {
  /** One for each distinct lock file, in the order in which they were taken. */
  readonly holds: readonly Hold[]
  #signal: AbortSignal | undefined

  /** @internal */
  constructor(holds: readonly Hold[]) {
    this.holds = holds
  }

  /** Whether every one of them lasts. */
  get held(): boolean {
    return this.holds.every((hold) => hold.held)
  }

  /** Aborts with the LockLostError of the first hold that ends other than by release(). */
  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any(this.holds.map((hold) => hold.signal))
    return this.#signal
  }

  /** Runs `fn` in a guard of each of them: none of the locks can go to somebody else until `fn` has settled. */
  async guard<T>(fn: () => T | Promise<T>): Promise<T> {
    if (typeof fn !== 'function') throw invalidType('fn', 'a function', fn)
    return this.holds.reduceRight<() => T | Promise<T>>((inner, hold) => () => hold.guard(inner), fn)()
  }

  /** Releases all of them, last taken first. */
  release(): void {
    for (const hold of [...this.holds].reverse()) hold.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }

  /** Releases them, and waits for open guards. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.holds].reverse().map((hold) => hold[Symbol.asyncDispose]()))
  }
}
