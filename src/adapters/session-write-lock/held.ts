// What this thread holds through the adapter. The list refers to a hold only weakly: a lock whose handle was lost is noticed
// by the library and goes free, and no list may prevent that.
import { isLockError, type Hold } from '../../index.js'
import type { LegacyPeer } from './legacy-peer.js'

export interface HeldLock {
  readonly hold: Hold
  readonly maxHoldMs: number
  /** Wall time, as the checks of gateways count. */
  readonly since: number
  peer: LegacyPeer | null
}

const list = new Set<WeakRef<HeldLock>>()
const places = new WeakMap<HeldLock, WeakRef<HeldLock>>()
const FEW = 64
/** As many as the list may have before those are looked for that were lost or ended by themselves. */
let most = FEW
/** Of those that are remembered no more: how many ended at their bound since endOverdue() was asked last. */
let overdue = 0

export function remember(lock: HeldLock): void {
  if (list.size >= most) {
    for (const place of list) {
      const known = place.deref()
      if (known?.hold.held === true) continue
      if (known !== undefined && endedAtItsBound(known)) overdue++
      list.delete(place)
    }
    most = Math.max(FEW, list.size * 2)
  }
  const place = new WeakRef(lock)
  places.set(lock, place)
  list.add(place)
}

/** Those that last. */
export function heldLocks(): HeldLock[] {
  return remembered().filter(({ hold }) => hold.held)
}

/** The file of old gateways first: while it is there, none of them comes in between. */
export function release(lock: HeldLock): void {
  forget(lock)
  lock.peer?.end()
  lock.hold.release()
}

/** Ends whatever the adapter holds; the handles are told by their signals. */
export function endAll(reason: unknown): HeldLock[] {
  const ended = remembered()
  for (const lock of ended) {
    forget(lock)
    lock.peer?.end()
    lock.hold.owner.close(reason)
  }
  return ended
}

/** Ends what has lasted longer than it may at the time `now`, and counts it with what ended so by itself since last asked. */
export function endOverdue(now: number): number {
  let count = overdue
  overdue = 0
  for (const lock of remembered()) {
    const { hold } = lock
    if (hold.held && now - lock.since <= lock.maxHoldMs) continue
    forget(lock)
    lock.peer?.end()
    if (hold.held) makeOverdue(hold)
    if (endedAtItsBound(lock)) count++
  }
  return count
}

function endedAtItsBound({ hold }: HeldLock): boolean {
  const reason: unknown = hold.signal.reason
  return isLockError(reason, 'ERR_LOCK_LOST') && reason.reason === 'max-hold'
}

/** Sets the deadline of this handle alone to now; its lock is free once it is asked for its signal. */
function makeOverdue(hold: Hold): void {
  try {
    hold.extend(Number.MIN_VALUE)
  } catch (error) {
    if (!isLockError(error, 'ERR_LOCK_LOST')) throw error
  }
}

function remembered(): HeldLock[] {
  return [...list].map((place) => place.deref()).filter((lock) => lock !== undefined)
}

function forget(lock: HeldLock): void {
  const place = places.get(lock)
  if (place !== undefined) list.delete(place)
}
