// What is known of one owner: what it holds and what it waits for. It refers to inner state only, never to a handle.
//
// It listens to its signal only while it has something to end, so an owner that is dropped leaves nothing behind, however
// long its signal lives.
import { LockError } from '../errors.js'
import type { HoldInfo } from '../hold-info.js'
import type { LockTarget, Mode } from '../kernel/kernel.js'
import { printable } from '../record.js'
import { onAbort } from './abort-fan.js'

export interface OwnedHold {
  readonly held: boolean
  readonly info: HoldInfo
  /** Resolves when its last open guard has ended. */
  guardsEnded(): Promise<void>
  end(reason: 'owner-closed', cause: unknown): boolean
}

export interface OwnedWait {
  readonly request: {
    readonly file: LockTarget
    readonly mode: Mode
    readonly owner: OwnerState | null
    readonly label: string | undefined
  }
  /** Who must let go before it can be granted: holders, and requests that come first. */
  blockers(): Blocker[]
  cancel(error: unknown): void
}

/** A hold or, where `wait` is one, a request. */
export interface Blocker {
  readonly owner: OwnerState | null
  readonly wait: OwnedWait | null
}

interface Defaults {
  readonly signal?: AbortSignal | undefined
  readonly timeout?: number | undefined
  readonly maxHold?: number | undefined
}

export class OwnerState {
  /** Empty for the owner of a single hold, or of one acquireAll(). */
  readonly label: string
  readonly timeout: number | undefined
  readonly maxHold: number
  /** Those that keep a lock: they are held, or a guard of them is open. */
  readonly holds = new Set<OwnedHold>()
  readonly waits = new Set<OwnedWait>()
  /** When the stack of an acquire of it was kept, by the clock. */
  lastStack = -Infinity
  private readonly signal: AbortSignal | undefined
  private closing: { readonly reason: unknown } | null = null
  private unlisten: (() => void) | null = null

  constructor(label: string, { signal, timeout, maxHold }: Defaults = {}) {
    this.label = label
    this.signal = signal
    this.timeout = timeout
    this.maxHold = maxHold ?? Infinity
  }

  get closed(): boolean {
    return this.closing !== null || this.signal?.aborted === true
  }

  get infos(): HoldInfo[] {
    return [...this.holds].filter(({ held }) => held).map(({ info }) => info)
  }

  refuseIfClosed(file: LockTarget): void {
    if (this.signal?.aborted === true) this.close(this.signal.reason)
    if (this.closing !== null) throw this.closedError(file, this.closing.reason)
  }

  addHold(hold: OwnedHold): void {
    this.holds.add(hold)
    this.listen()
  }

  deleteHold(hold: OwnedHold): void {
    this.holds.delete(hold)
    this.rest()
  }

  addWait(wait: OwnedWait): void {
    this.waits.add(wait)
    this.listen()
  }

  deleteWait(wait: OwnedWait): void {
    this.waits.delete(wait)
    this.rest()
  }

  /** What it waits for first: none of it may be granted by what its holds leave. */
  close(reason: unknown): void {
    if (this.closing !== null) return
    this.closing = { reason }
    for (const wait of [...this.waits]) wait.cancel(this.closedError(wait.request.file, reason))
    for (const hold of [...this.holds]) hold.end('owner-closed', reason)
  }

  async guardsEnded(): Promise<void> {
    await Promise.all([...this.holds].map((hold) => hold.guardsEnded()))
  }

  private listen(): void {
    if (this.signal === undefined || this.unlisten !== null) return
    const { signal } = this
    this.unlisten = onAbort(signal, () => this.close(signal.reason))
  }

  private rest(): void {
    if (this.unlisten === null || this.holds.size > 0 || this.waits.size > 0) return
    this.unlisten()
    this.unlisten = null
  }

  private closedError({ target: path, lockfile }: LockTarget, reason: unknown): LockError {
    const name = this.label === '' ? 'The owner' : `The owner "${printable(this.label)}"`
    const details = reason === undefined ? { path, lockfile } : { path, lockfile, cause: reason }
    return new LockError('ERR_LOCK_OWNER_CLOSED', `${name} is closed and acquires nothing more: ${path}`, details)
  }
}
