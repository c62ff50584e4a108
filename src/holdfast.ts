// The composition root: an engine behind the seam and a clock become the public functions. Nothing happens before the
// first call: importing the package loads no addon.
import { addHolds } from './all-holds.js'
import { acquireAll, type Acquire } from './coordination/acquire-all.js'
import { Coordinator } from './coordination/coordinator.js'
import type { HoldState } from './coordination/hold-state.js'
import { systemError } from './coordination/system-error.js'
import { deliverEvents } from './channels.js'
import type { LockTimeoutError } from './errors.js'
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
import { tracedAcquire } from './traced-acquire.js'

type Path = string | URL
type Section<T> = (hold: Hold) => T | Promise<T>

export class Holdfast {
  readonly #open: () => Kernel
  readonly #clock: Clock
  readonly #leaks: Leaks
  readonly #acquire: Acquire
  #opened: Coordinator | undefined
  #forget: () => void = () => {}

  /** `through` is for an engine that has something to do before a request is made, or before its failure is told. */
  constructor(open: () => Kernel, clock: Clock, through: (acquire: Acquire) => Acquire = (acquire) => acquire) {
    this.#open = open
    this.#clock = clock
    this.#acquire = through((...call) => tracedAcquire(this.#coordinator, ...call))
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
    const hold = this.#handle(state)
    try {
      const result = await section(hold)
      if (state.lostBy !== null) throw state.lostBy
      return result
    } finally {
      hold.release() // which also keeps the handle from being lost while the section runs
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
    this.#opened?.expireHolds() // before they are left out: whoever counts endings has seen theirs
    return this.#opened?.holds.map(({ info }) => info) ?? []
  }

  releaseAll(reason?: unknown): number {
    const ended = this.#opened?.holds.filter((hold) => hold.end('released-all', reason)).length ?? 0
    deliverEvents()
    return ended
  }

  /** It holds nothing any more, and never will. */
  close(): void {
    this.#forget()
  }

  /** For whoever queues elsewhere before it acquires: the request, checked now. */
  request(path: Path, options: AcquireOptions): Request {
    return acquireRequest(this.#locate, path, options)
  }

  /** The error of such a request that waited in vain. */
  timedOut(request: Request, waited: number, position: number): LockTimeoutError {
    return this.#coordinator.timedOut(request, waited, position)
  }

  #handle(state: HoldState): Hold {
    const hold = new Hold(state)
    this.#leaks.watch(hold, state)
    return hold
  }

  readonly #locate: Locate = (path, where) => {
    try {
      return this.#coordinator.kernel.locate(path, where)
    } catch (error) {
      throw systemError(error, { target: path, lockfile: where.lockfile ?? path })
    }
  }

  get #coordinator(): Coordinator {
    if (this.#opened === undefined) {
      this.#opened = new Coordinator(this.#open(), this.#clock)
      this.#forget = addHolds(() => this.holds())
    }
    return this.#opened
  }
}
