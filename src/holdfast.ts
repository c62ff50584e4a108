// The composition root: an engine behind the seam and a clock become the public functions. Nothing happens before the
// first call: importing the package loads no addon.
import { acquireAll } from './coordination/acquire-all.js'
import { Coordinator } from './coordination/coordinator.js'
import type { HoldState } from './coordination/hold-state.js'
import { systemError } from './coordination/system-error.js'
import { HoldSet } from './hold-set.js'
import { Hold } from './hold.js'
import { inspectLock, type InspectOptions, type LockState } from './inspect.js'
import type { Clock } from './kernel/clock.js'
import type { Kernel } from './kernel/kernel.js'
import {
  acquireAllRequests,
  acquireRequest,
  inspectTarget,
  tryRequest,
  type AcquireAllOptions,
  type AcquireOptions,
  type Locate,
} from './options.js'

export type TryAcquireOptions = Pick<AcquireOptions, 'mode' | 'label' | 'lockfile' | 'record' | 'filesystem'>

type Path = string | URL
type Section<T> = (hold: Hold) => T | Promise<T>

/** What holds() tells of one hold. */
export interface HoldInfo {
  readonly path: string
  readonly lockfile: string
  readonly mode: 'exclusive' | 'shared'
  readonly label: string | undefined
  readonly since: Date
  readonly fence: number | null
}

export class Holdfast {
  readonly #open: () => Kernel
  readonly #clock: Clock
  #opened: Coordinator | undefined

  constructor(open: () => Kernel, clock: Clock) {
    this.#open = open
    this.#clock = clock
  }

  acquire(path: Path, options?: AcquireOptions): Promise<Hold> {
    return new Promise((resolve, reject) => {
      const request = acquireRequest(this.#locate, path, options)
      this.#coordinator.acquire(request, (state) => resolve(new Hold(state)), reject)
    })
  }

  tryAcquire(path: Path, options?: TryAcquireOptions): Hold | null {
    const state = this.#coordinator.tryAcquire(tryRequest(this.#locate, path, options))
    return state === null ? null : new Hold(state)
  }

  async withLock<T>(path: Path, options: AcquireOptions | undefined, section: Section<T>): Promise<T> {
    const request = acquireRequest(this.#locate, path, options)
    const state = await new Promise<HoldState>((resolve, reject) => {
      this.#coordinator.acquire(request, resolve, reject)
    })
    try {
      const result = await section(new Hold(state))
      if (state.lostBy !== null) throw state.lostBy
      return result
    } finally {
      state.end(null)
    }
  }

  async acquireAll(paths: readonly Path[], options?: AcquireAllOptions): Promise<HoldSet> {
    const states = await acquireAll(this.#coordinator, acquireAllRequests(this.#locate, paths, options))
    return new HoldSet(states.map((state) => new Hold(state)))
  }

  inspect(path: Path, options?: InspectOptions): LockState {
    return inspectLock(this.#coordinator.kernel, inspectTarget(this.#locate, path, options))
  }

  holds(): HoldInfo[] {
    if (this.#opened === undefined) return []
    return [...this.#opened.holds].map(({ file, mode, label, since, fence }) => ({
      path: file.target,
      lockfile: file.lockfile,
      mode,
      label,
      since: new Date(since),
      fence,
    }))
  }

  releaseAll(reason?: unknown): number {
    let ended = 0
    for (const hold of [...(this.#opened?.holds ?? [])]) if (hold.end('released-all', reason)) ended++
    return ended
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
