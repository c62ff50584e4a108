// One claim on one lock of the database, from the request to the moment at which it is sure that nothing of it is left.
//
// It is `asking` until it is granted or has failed, and is told of then; `held` once it was taken; `ended` when nobody wants it
// any more. One that has failed or ended may still have its lock, for as long as it takes to give that back: `done` says when
// it has not.
import type { FenceRange, Lease, Mode } from '../kernel/kernel.js'
import type { Key } from './key.js'
import type { Session } from './session.js'

export type State = 'asking' | 'granted' | 'held' | 'failed' | 'ended'

export class Claim {
  readonly lease: Lease
  readonly key: Key
  readonly mode: Mode
  /** The claim on the same key before this one, until that is done. */
  before: Claim | null
  state: State = 'asking'
  failure: unknown = null
  /** Where the lock is. */
  session: Session | null = null
  fences: FenceRange = { first: 0, end: 0 }
  /** By the clock: it is given up by itself then. */
  limit = Infinity
  /** From the grant until it must have been taken. */
  grace = Infinity
  /** It is being asked for, and whoever does that gives it back when it is not wanted any more. */
  seeking = false
  /** While it goes over to another session. */
  moving: Promise<unknown> | null = null
  /** The holder session has been asked to let go of it, before whatever it is asked from now on. */
  leaving: Session | null = null
  /** Makes whatever it waits for stop, sooner or later. */
  interrupt: (() => void) | null = null
  /** Nothing is left of it. */
  readonly done: Promise<void>
  private finished = false
  private resolve: () => void = () => {}

  constructor(lease: Lease, key: Key, mode: Mode, before: Claim | null) {
    this.lease = lease
    this.key = key
    this.mode = mode
    this.before = before
    this.done = new Promise((resolve) => (this.resolve = resolve))
  }

  isWanted(): boolean {
    return this.state !== 'ended' && this.state !== 'failed'
  }

  get isDone(): boolean {
    return this.finished
  }

  /** The lock is in that session from now on. */
  attach(session: Session): void {
    this.session?.letGo()
    this.session = session
    session.keep()
  }

  detach(): void {
    this.session?.letGo()
    this.session = null
  }

  finish(): void {
    this.finished = true
    this.detach()
    this.resolve()
  }
}

/** The last of these claims on one lock that is not done. One that was given up in line was done before those before it. */
export function lastOf(claim: Claim | null): Claim | null {
  while (claim?.isDone === true) claim = claim.before
  return claim
}

/** Resolves when nothing is left of those of these claims, on one lock, that nobody wants. */
export async function leftBy(last: Claim | undefined): Promise<void> {
  for (let claim = last ?? null; claim !== null; claim = claim.before) if (!claim.isWanted()) await claim.done
}

/** Null when nobody wants the claim any more. */
export async function unlessEnded<T>(claim: Claim, promise: Promise<T>): Promise<T | null> {
  const ended = new Promise<null>((resolve) => (claim.interrupt = () => resolve(null)))
  try {
    return await Promise.race([promise, ended])
  } finally {
    claim.interrupt = null
  }
}
