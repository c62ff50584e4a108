// The seam: what coordination asks of whoever really holds the locks.
//
// One implementation asks the operating system through the addon (native-kernel.ts); tests use a deterministic fake;
// another engine needs only these names. The contract of each call is in its comment and is checked by one suite
// (test/kernel/contract.ts) for every implementation.

import type { Filesystem } from './filesystem.js'

export type Mode = 'exclusive' | 'shared'

/** One lock file, and the file it stands for. */
export interface LockTarget {
  /** Absolute. */
  readonly lockfile: string
  /** Absolute, with symlinks in the last component resolved. It need not exist. */
  readonly target: string
  /** Where the lock file lies. */
  readonly filesystem: Filesystem
  /** Whether the target may still be a symlink: on a distant filesystem that is found out by look(). */
  readonly unfollowed: boolean
  /** An unsure filesystem is refused. */
  readonly strict: boolean
}

/** What is asked for besides the path. */
export interface Where {
  /** An exact lock file. */
  readonly lockfile?: string | undefined
  /** Refuse an unsure filesystem. */
  readonly strict: boolean
  /** Find out everything now. Otherwise what a distant filesystem must be asked for may be left to the wait. */
  readonly atOnce: boolean
}

/**
 * A claim on one lock: it waits, was granted, or is held. The number names nothing once the lease has ended, so ending
 * one twice is harmless. Leases belong to the thread that asked for them.
 */
export type Lease = number

/**
 * - `try`: one non-blocking try.
 * - `try-then-wait`: the same, then a wait in the kernel's queue.
 * - `wait`: straight into the queue, never barging past others who wait there.
 * - `last-try`: one try, whatever else this thread waits for on the file.
 */
export type How = 'try' | 'try-then-wait' | 'wait' | 'last-try'

export type Answer =
  /** The lock is held, and the path named the locked file when it was granted. */
  | { readonly kind: 'granted'; readonly lease: Lease }
  /** The wait has begun. `onSettled` is told of its end; until then nothing is held. */
  | { readonly kind: 'waiting'; readonly lease: Lease }
  /** This thread already has that lease on the same file, under this name or another. Nothing was tried. */
  | { readonly kind: 'known'; readonly lease: Lease }
  /** Somebody else holds it. Never from a request that waits. */
  | { readonly kind: 'busy' }
  /** Somebody else holds it, and there is no thread to wait on. Only from a request that waits. */
  | { readonly kind: 'no-thread' }

export type ClaimAnswer =
  /** The lock is held, and `lockfile` named the locked file just now. */
  | { readonly kind: 'granted'; readonly lease: Lease }
  /** Not granted yet; the wait goes on. */
  | { readonly kind: 'waiting' }
  /** It was granted, but `lockfile` names another file now, or none, or it was not claimed in time. The lease has ended. */
  | { readonly kind: 'replaced' }
  /** The file is that of another lease of this thread. This lease has ended. */
  | { readonly kind: 'known'; readonly lease: Lease }

/** Numbers that may be given to holders, one after another: `first`, …, `end` - 1. */
export interface FenceRange {
  readonly first: number
  readonly end: number
}

export interface Probe {
  /** `absent`: there is no lock file. `held`: a shared try was refused. */
  readonly state: 'absent' | 'free' | 'held'
  /** What stands in the lock file, one character a byte; null where it cannot be read. */
  readonly content: string | null
}

export interface Kernel {
  /** Called from the event loop when a wait has settled, well or badly. Set once, before the first request. */
  onSettled: (lease: Lease) => void

  /**
   * Which lock stands for `path`, or for an exact lock file. Resolved now: what it means does not change with a later
   * chdir(). Throws where locks are known not to exclude.
   */
  locate(path: string, where: Where): LockTarget

  /** Begins to look whether a target is a symlink. `onSettled` is told when that is found out; it locks nothing. */
  look(target: string): { readonly kind: 'waiting'; readonly lease: Lease } | { readonly kind: 'no-thread' }

  /** What a look has found: where the link leads, or null. Throws when that could not be found out. The lease has ended. */
  looked(lease: Lease, target: string): string | null

  /** The lock of an unfollowed target by what was found; it may be unfollowed again. Throws as locate() does. */
  follow(file: LockTarget, destination: string | null): LockTarget

  /** Asks for a lock and creates the lock file where there is none. Throws a SystemError-like error on failure. */
  request(file: LockTarget, mode: Mode, how: How): Answer

  /** Takes what a wait was granted. Throws when the wait failed; it has ended then. */
  claim(lease: Lease, lockfile: string): ClaimAnswer

  /** Nobody wants this wait any more. It is never granted to this thread later, unless a new wait adopts it. */
  drop(lease: Lease): void

  /**
   * A held lease may last `milliseconds` from now at the most, `Infinity` is no limit. Then the kernel ends it, with this
   * ending (see release), even while this thread is blocked; if a guard is open, when the last one is left. `ended`: it
   * has ended, or an earlier limit has passed. `unwatched`: there is nothing to end it while this thread is blocked.
   */
  limit(
    lease: Lease,
    milliseconds: number,
    ending: Uint8Array | null,
    prefix: number,
  ): 'limited' | 'ended' | 'unwatched'

  /** Of a wait: once granted, it is freed after `grace` milliseconds, or `rest` from now, if it was not claimed by then. */
  limitWait(lease: Lease, grace: number, rest: number): void

  /** Keeps a held lease from ending by its limit. False when it has ended, or the limit has passed. */
  enterGuard(lease: Lease): boolean

  /** Once for each guard that was entered. */
  exitGuard(lease: Lease): void

  /** Whether `lockfile` still names the locked file. Throws when that cannot be found out. */
  names(lease: Lease, lockfile: string): boolean

  /** Fills `bytes` from the start of a held lease's file. How many there were, or -1 where they cannot be read. */
  read(lease: Lease, bytes: Uint8Array): number

  /** Writes `bytes` at the start of the file. False where it must carry no record; throws on failure. */
  write(lease: Lease, bytes: Uint8Array): boolean

  /**
   * Unlocks. An ending is written first, from byte `prefix` on, provided the file still begins with what the ending has
   * before it. Synchronous: when it returns, others can have the lock, if the filesystem answers in time.
   */
  release(lease: Lease, ending: Uint8Array | null, prefix: number): void

  /** A text that is equal for all names of one file and sorts alike in every process. Creates the file if need be. */
  identify(file: LockTarget): string

  /** One momentary shared try on a descriptor of its own. Never creates the file. */
  probe(file: LockTarget): Probe

  /** What stands in the lock file, one character a byte; null where that cannot be read. Never throws. */
  peek(file: LockTarget): string | null

  // What follows is for an engine that keeps its locks elsewhere, where a lease can be lost. Its leases carry no record.

  /**
   * The fencing numbers of a held exclusive lease: each is larger than all those of every earlier lease of the lock, so each
   * of its holders gets one. When they are used up the lease is not handed over any more.
   */
  fences?(lease: Lease): FenceRange

  /**
   * Whether a held lease is sure to last at this moment. By a clock: it says no in time although this thread was blocked, and
   * before anybody else can have the lock.
   */
  alive?(lease: Lease): boolean

  /** Called from the event loop when a held lease was lost: it is not alive then, and names nothing. Set as onSettled is. */
  onLost?: (lease: Lease, cause: unknown) => void
}
