// What openPostgres() answers: the functions of the package, for locks that a database keeps for many hosts. Holds and owners,
// errors and events are the same; names stand in the place of paths, and a try is a promise.
import { entries } from '../arguments.js'
import { LockTimeoutError, invalidType, invalidValue } from '../errors.js'
import type { Acquire } from '../coordination/acquire-all.js'
import type { HoldInfo } from '../hold-info.js'
import type { HoldSet } from '../hold-set.js'
import type { Hold } from '../hold.js'
import { Holdfast } from '../holdfast.js'
import type { Clock } from '../kernel/clock.js'
import type { AcquireOptions, Request } from '../options.js'
import type { Claim } from './claim.js'
import { inspectRemote, type RemoteLockState } from './inspect-remote.js'
import type { PostgresKernel } from './postgres-kernel.js'
import { explainTimeout, unexplainedTimeout } from './timeout-error.js'

const ACQUIRE_ALL = ['mode', 'timeout', 'signal', 'owner', 'label', 'maxHold', 'keep'] as const
const TRY = ['mode', 'owner', 'label', 'maxHold', 'keep'] as const

/** As those of acquire(); what is about files means nothing here and is refused. */
export type RemoteAcquireOptions = Pick<AcquireOptions, (typeof ACQUIRE_ALL)[number]>
export type RemoteTryOptions = Pick<AcquireOptions, (typeof TRY)[number]>

export class RemoteHoldfast implements AsyncDisposable {
  readonly #kernel: PostgresKernel
  readonly #holdfast: Holdfast

  /** @internal It comes from openPostgres(). */
  constructor(kernel: PostgresKernel, clock: Clock) {
    this.#kernel = kernel
    this.#holdfast = new Holdfast(
      () => kernel,
      clock,
      (acquire) => this.#through(acquire),
    )
  }

  /**
   * Waits for the lock of `name` and resolves to its hold. As acquire() of the package; but a rejection comes when it is sure
   * that nothing of the request is left in the database, which takes a round trip or two.
   */
  async acquire(name: string, options?: RemoteAcquireOptions): Promise<Hold> {
    return await this.#holdfast.acquire(nameText('name', name), checked(options, ACQUIRE_ALL))
  }

  /** One try: the hold, or null when somebody else holds the lock or waits for it. */
  async tryAcquire(name: string, options?: RemoteTryOptions): Promise<Hold | null> {
    const values = checked(options, TRY)
    const { file, mode } = this.#holdfast.request(nameText('name', name), values)
    const prepared = await this.#kernel.prepare(file, mode)
    try {
      return this.#holdfast.tryAcquire(name, values)
    } finally {
      await this.#kernel.discard(prepared) // it may have entered a hold of its owner instead
    }
  }

  /** As withLock() of the package. */
  withLock<T>(name: string, section: (hold: Hold) => T | Promise<T>): Promise<T>
  withLock<T>(
    name: string,
    options: RemoteAcquireOptions | undefined,
    section: (hold: Hold) => T | Promise<T>,
  ): Promise<T>
  async withLock<T>(
    name: string,
    optionsOrSection: RemoteAcquireOptions | undefined | ((hold: Hold) => T | Promise<T>),
    section?: (hold: Hold) => T | Promise<T>,
  ): Promise<T> {
    const text = nameText('name', name)
    if (typeof optionsOrSection === 'function') {
      return await this.#holdfast.withLock(text, checked(undefined, ACQUIRE_ALL), optionsOrSection)
    }
    if (typeof section !== 'function') throw invalidType('section', 'a function', section)
    return await this.#holdfast.withLock(text, checked(optionsOrSection, ACQUIRE_ALL), section)
  }

  /** All of these locks or none, without dead-locking with others who take several. A rejection comes as that of acquire(). */
  async acquireAll(names: readonly string[], options?: RemoteAcquireOptions): Promise<HoldSet> {
    if (!Array.isArray(names)) throw invalidType('names', 'an array of names', names)
    const texts = names.map((name, index) => nameText(`names[${index}]`, name))
    try {
      return await this.#holdfast.acquireAll(texts, checked(options, ACQUIRE_ALL))
    } catch (error) {
      for (const text of texts) await this.#kernel.settled(this.#kernel.locate(text))
      throw error
    }
  }

  /** Who holds the lock, on any host, and how many wait for it. Takes nothing. */
  async inspect(name: string): Promise<RemoteLockState> {
    return await inspectRemote(this.#kernel, nameText('name', name))
  }

  /** The holds of this object. */
  holds(): HoldInfo[] {
    return this.#holdfast.holds()
  }

  /** Ends every hold of this object. Synchronous; the database hears of it at once. Answers how many it ended. */
  releaseAll(reason?: unknown): number {
    return this.#holdfast.releaseAll(reason)
  }

  /**
   * Resolves when the database has let go of everything that was released so far, or that a wait has left; of what others
   * wait for here, when that was handed over or let go of. Never rejects: a session that is lost has let go of its locks, or
   * will as soon as the server notices.
   */
  async flush(): Promise<void> {
    await this.#kernel.flush()
  }

  /**
   * Ends every hold, rejects whoever waits, and closes all connections. Resolves when the database has let go of everything,
   * which is when the last open guard has ended.
   */
  async close(reason?: unknown): Promise<void> {
    const closed = this.#kernel.close()
    this.#holdfast.releaseAll(reason)
    await closed
    this.#holdfast.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A time-out of 0 is one try, which is made before it is asked for. */
  #through(acquire: Acquire): Acquire {
    return (request, resolve, reject, started) => {
      const refuse = (error: unknown): void => {
        void this.#cleaned(request, error).then(reject)
      }
      if (request.timeout !== 0) {
        acquire(request, resolve, refuse, started)
        return
      }
      const tryOnce = (prepared: Claim | null): void => {
        const discard = (): Promise<void> => this.#kernel.discard(prepared)
        const grant: typeof resolve = (hold) => {
          resolve(hold)
          void discard() // it may have entered a hold of its owner instead
        }
        acquire(request, grant, (error) => void discard().then(() => refuse(error)), started)
      }
      this.#kernel.prepare(request.file, request.mode).then(tryOnce, reject)
    }
  }

  /** The error, when nothing of the request is left. */
  async #cleaned(request: Request, error: unknown): Promise<unknown> {
    await Promise.resolve() // its wait is dropped after it was refused
    await this.#kernel.settled(request.file)
    if (!(error instanceof LockTimeoutError) || error.holder !== null) return error
    const { outage } = this.#kernel
    if (outage !== null) return unexplainedTimeout(error, outage) // to ask would take as long as the outage
    try {
      return explainTimeout(error, await inspectRemote(this.#kernel, request.file.target))
    } catch (cause) {
      return unexplainedTimeout(error, cause)
    }
  }
}

function nameText(what: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidType(what, 'a string', value)
  if (value === '') throw invalidValue(what, 'a name that is not empty', value)
  if (value.includes('\0')) throw invalidValue(what, 'a name without null bytes', value)
  return value
}

/** There is no lock file, and no record in it. */
function checked(options: unknown, allowed: readonly (keyof AcquireOptions)[]): AcquireOptions {
  const values: AcquireOptions = { record: false }
  if (options !== undefined) Object.assign(values, Object.fromEntries(entries(options, allowed)))
  return values
}
