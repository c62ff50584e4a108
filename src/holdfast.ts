// The composition root: an engine behind the seam and a clock become the public functions. Nothing happens before the
// first call: importing the package loads no addon.
import { acquireAll, type Acquire } from './coordination/acquire-all.js'
import { Coordinator } from './coordination/coordinator.js'
import type { HoldState } from './coordination/hold-state.js'
import { systemError } from './coordination/system-error.js'
import { LockError, type LockErrorCode } from './errors.js'
import * as events from './events.js'
import type { HoldInfo } from './hold-info.js'
import { HoldSet } from './hold-set.js'
import { Hold } from './hold.js'
import { inspectLock, type InspectOptions, type LockState } from './inspect.js'
import type { Clock } from './kernel/clock.js'
import type { Kernel } from './kernel/kernel.js'
import { Leaks } from './leaks.js'
import {
  acquireAllRequests,
  acquireRequest,
  inspectTarget,
  tryRequest,
  type AcquireAllOptions,
  type AcquireOptions,
  type Locate,
  type Request,
  type TryAcquireOptions,
} from './options.js'

type AcquireOutcome = events.AcquireOutcome
type Path = string | URL
type Section<T> = (hold: Hold) => T | Promise<T>

export class Holdfast {
  readonly #open: () => Kernel
  readonly #clock: Clock
  readonly #leaks: Leaks
  #opened: Coordinator | undefined

  constructor(open: () => Kernel, clock: Clock) {
    this.#open = open
    this.#clock = clock
    this.#leaks = new Leaks(clock)
  }

  acquire(path: Path, options?: AcquireOptions): Promise<Hold> {
    return new Promise((resolve, reject) => {
      const request = acquireRequest(this.#locate, path, options)
      this.#acquire(request, (state) => resolve(this.#handle(state)), reject)
    })
  }

  tryAcquire(path: Path, options?: TryAcquireOptions): Hold | null {
    const state = this.#coordinator.tryAcquire(tryRequest(this.#locate, path, options))
    return state === null ? null : this.#handle(state)
  }

  async withLock<T>(path: Path, options: AcquireOptions | undefined, section: Section<T>): Promise<T> {
    const request = acquireRequest(this.#locate, path, options)
    const state = await new Promise<HoldState>((resolve, reject) => this.#acquire(request, resolve, reject))
    try {
      const result = await section(this.#handle(state))
      if (state.lostBy !== null) throw state.lostBy
      return result
    } finally {
      state.end(null)
    }
  }

  async acquireAll(paths: readonly Path[], options?: AcquireAllOptions): Promise<HoldSet> {
    const requests = acquireAllRequests(this.#locate, paths, options)
    const states = await acquireAll(this.#coordinator, requests, this.#acquire)
    return new HoldSet(states.map((state) => this.#handle(state)))
  }

  inspect(path: Path, options?: InspectOptions): LockState {
    return inspectLock(this.#coordinator.kernel, inspectTarget(this.#locate, path, options))
  }

  holds(): HoldInfo[] {
    this.#expireHolds()
    return this.#opened?.holds.map(({ info }) => info) ?? []
  }

  releaseAll(reason?: unknown): number {
    const ended = this.#opened?.holds.filter((hold) => hold.end('released-all', reason)).length ?? 0
    events.deliverEvents()
    return ended
  }

  /** What is past its deadline is ended before it is left out of what is held: timers may be late. */
  #expireHolds(): void {
    if (this.#opened === undefined) return
    const queues = new Set([...this.#opened.queuesByPath.values(), ...this.#opened.detachedQueues])
    for (const hold of [...queues].flatMap((queue) => [...queue.holds])) hold.expire()
  }

  #handle(state: HoldState): Hold {
    const hold = new Hold(state)
    this.#leaks.watch(hold, state)
    return hold
  }

  /**
   * Told to whoever traces, as TracingChannel.tracePromise() does it: what comes later comes in the caller's async context, and
   * before his promise settles. By hand, because the frames of Node would push the caller out of his own stack.
   */
  readonly #acquire: Acquire = (request, resolve, reject, started) => {
    const { acquiring } = events
    if (!acquiring.hasSubscribers) {
      this.#coordinator.acquire(request, resolve, reject, started)
      return
    }
    const trace = traceOf(request)
    const begun = started ?? this.#clock.now()
    let settle!: (finish: () => void) => void
    void new Promise<() => void>((answer) => (settle = answer)).then((finish) => {
      if ('error' in trace) acquiring.error.publish(trace)
      acquiring.asyncStart.publish(trace)
      acquiring.asyncEnd.publish(trace)
      finish()
    })
    const answered = (outcome: AcquireOutcome, finish: () => void): void => {
      trace.waited = this.#clock.now() - begun
      trace.outcome = outcome
      events.answered.count(trace)
      settle(finish)
    }
    acquiring.start.publish(trace)
    this.#coordinator.acquire(
      request,
      (state) => {
        trace.result = state.info
        answered('granted', () => resolve(state))
      },
      (error) => {
        trace.error = error
        answered(outcomeOf(error, request), () => reject(error))
      },
      begun,
    )
    trace.queued = this.#coordinator.queuedFor(request)
    if (trace.outcome === null) events.waiting.count(trace)
    acquiring.end.publish(trace)
  }

  readonly #locate: Locate = (path, where) => {
    try {
      return this.#coordinator.kernel.locate(path, where)
    } catch (error) {
      throw systemError(error, { target: path, lockfile: where.lockfile ?? path })
    }
  }

  get #coordinator(): Coordinator {
    this.#opened ??= new Coordinator(this.#open(), this.#clock)
    return this.#opened
  }
}

function traceOf({ file, mode, owner, label, timeout }: Request): events.AcquireTrace {
  return {
    path: file.target,
    lockfile: file.lockfile,
    mode,
    owner: owner === null || owner.label === '' ? null : owner.label,
    label: label ?? null,
    timeout,
    queued: 0,
    waited: 0,
    outcome: null,
  }
}

const OUTCOMES: Partial<Record<LockErrorCode, AcquireOutcome>> = {
  ERR_LOCK_TIMEOUT: 'timeout',
  ERR_LOCK_OWNER_CLOSED: 'owner-closed',
  ERR_LOCK_DEADLOCK: 'deadlock',
}

function outcomeOf(error: unknown, { signal }: Request): AcquireOutcome {
  if (signal?.aborted === true && error === signal.reason) return 'aborted'
  return (error instanceof LockError ? OUTCOMES[error.code] : undefined) ?? 'failed'
}
