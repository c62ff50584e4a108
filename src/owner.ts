// Who holds and waits: a lane, a job, a request. A token for re-entering, and a scope that ends what it holds.
import { duration, entries, signal, text, timeout } from './arguments.js'
import { OwnerState } from './coordination/owner-state.js'
import { invalidValue } from './errors.js'
import type { HoldInfo } from './hold-info.js'

export interface OwnerOptions {
  /** Closes the owner when it aborts. */
  signal?: AbortSignal | undefined
  /** For acquires with this owner that name none. */
  timeout?: number | undefined
  /** Milliseconds; the smaller one counts of this and an acquire's own. */
  maxHold?: number | undefined
}

const OPTIONS = ['signal', 'timeout', 'maxHold'] as const

/** The owners that were handed out: each state has one. */
const owners = new WeakMap<OwnerState, Owner>()

export class Owner implements Disposable, AsyncDisposable {
  readonly #state: OwnerState

  constructor(label: string, options?: OwnerOptions)
  /** @internal */
  constructor(label: OwnerState)
  constructor(label: string | OwnerState, options?: OwnerOptions) {
    this.#state = label instanceof OwnerState ? label : newState(label, options)
    owners.set(this.#state, this)
  }

  /** @internal The owner of a hold. */
  static of(state: OwnerState): Owner {
    return owners.get(state) ?? new Owner(state)
  }

  /** @internal */
  static stateOf(owner: Owner): OwnerState {
    return owner.#state
  }

  /** For people: shown in records, errors and events. Two owners may have the same; they are two. */
  get label(): string {
    return this.#state.label
  }

  /** A closed owner acquires nothing more. */
  get closed(): boolean {
    return this.#state.closed
  }

  /** What it holds. */
  get holds(): HoldInfo[] {
    return this.#state.infos
  }

  /**
   * Ends everything it holds, as `owner-closed`, and rejects everything it waits for with ERR_LOCK_OWNER_CLOSED, whose
   * cause is `reason`. A lock goes free when its open guards end. Synchronous; later calls do nothing.
   */
  close(reason?: unknown): void {
    this.#state.close(reason)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Closes, and waits for open guards. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#state.guardsEnded()
  }
}

function newState(label: unknown, options: OwnerOptions | undefined): OwnerState {
  const name = text('label', label)
  if (name === '') throw invalidValue('label', 'a name that is not empty', name)
  const found: OwnerOptions = {}
  for (const [name, value] of options === undefined ? [] : entries(options, OPTIONS)) {
    if (name === 'signal') found.signal = signal('options.signal', value)
    else if (name === 'timeout') found.timeout = timeout('options.timeout', value)
    else found.maxHold = duration('options.maxHold', value)
  }
  return new OwnerState(name, found)
}
