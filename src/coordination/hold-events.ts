// What is told of one hold: its beginning, its end, the loss of its handle. Nothing is made that nobody wants.
import { visible, type LostReason } from '../errors.js'
import * as channels from '../channels.js'
import type * as events from '../events.js'
import type { LockRecord } from '../record.js'
import type { Request } from '../options.js'
import type { OwnerState } from './owner-state.js'

/** A hold, as far as events tell of it. */
export interface Told {
  readonly request: Request
  readonly knownOwner: OwnerState | null
  readonly fence: number | null
  readonly recoveredFrom: LockRecord | null
  readonly heldFor: number
  readonly queued: number
}

export function tellBeginning(hold: Told, waited: number, reentered: boolean): void {
  if (channels.held.wanted) channels.held.publish(beginning(hold, waited, reentered))
  if (hold.recoveredFrom !== null && channels.recovered.wanted) {
    channels.recovered.publish({ ...subject(hold), record: hold.recoveredFrom })
  }
}

/** `reason` is null when it was released. */
export function tellEnd(hold: Told, reason: LostReason | null, cause: unknown, guards: number): void {
  if (reason === null) {
    if (channels.released.wanted) channels.released.publish(end(hold))
  } else if (channels.revoked.wanted) {
    channels.revoked.publish({ ...end(hold), reason, cause, guards })
  }
}

export function tellOverrun(hold: Told, reason: LostReason, guards: number, overdue: number): void {
  if (channels.overrun.wanted) channels.overrun.publish({ ...subject(hold), reason, guards, overdue })
}

/** Where nobody subscribes, it is a warning of the process. */
export function tellLeak(hold: Told): void {
  const acquiredAt = hold.request.acquiredAt?.text ?? null
  if (channels.leaked.wanted) {
    channels.leaked.publish({ ...subject(hold), heldFor: hold.heldFor, acquiredAt })
    return
  }
  const where = acquiredAt === null ? 'Set HOLDFAST_TRACE=1 to see where.' : `Acquired\n${acquiredAt}`
  const path = visible(hold.request.file.target)
  const message = `The lock of ${path} was never released and its handle was lost; it is free now. ${where}`
  process.emitWarning(message, { type: 'HoldfastWarning', code: 'HOLDFAST_LEAK' })
}

/** Null for an owner without a name. */
export function ownerLabel(owner: OwnerState | null): string | null {
  return owner === null || owner.label === '' ? null : owner.label
}

function subject({ request: { file, mode, label }, knownOwner, queued }: Told): events.LockEvent {
  return {
    path: file.target,
    lockfile: file.lockfile,
    mode,
    owner: ownerLabel(knownOwner),
    label: label ?? null,
    queued,
  }
}

// The next two come with every hold: made in one piece, for copying costs half as much again.

function beginning(
  { request: { file, mode, label }, knownOwner, queued, fence }: Told,
  waited: number,
  reentered: boolean,
): events.HoldEvent {
  return {
    path: file.target,
    lockfile: file.lockfile,
    mode,
    owner: ownerLabel(knownOwner),
    label: label ?? null,
    queued,
    fence,
    waited,
    reentered,
  }
}

function end({ request: { file, mode, label }, knownOwner, queued, fence, heldFor }: Told): events.ReleaseEvent {
  return {
    path: file.target,
    lockfile: file.lockfile,
    mode,
    owner: ownerLabel(knownOwner),
    label: label ?? null,
    queued,
    fence,
    heldFor,
  }
}
