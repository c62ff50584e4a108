// The error of a wait that ran out: who holds the lock, for how long, and where in line the waiter stood.
import { LockTimeoutError, type LockHolder } from '../errors.js'
import type { Kernel, LockTarget } from '../kernel/kernel.js'
import type { Request } from '../options.js'
import { ownHolder, parseRecord, printable } from '../record.js'
import type { HoldState } from './hold-state.js'

export function timeoutError(
  kernel: Kernel,
  request: Request,
  waited: number,
  position: number,
  here: HoldState | undefined,
): LockTimeoutError {
  const { target: path, lockfile } = request.file
  const holder = holderHere(here) ?? holderOnRecord(kernel, request.file)
  const parts = [holder === null ? unknownHolder(request.file) : describe(holder)]
  if (position > 0) parts.push(`${ordinal(position)} in queue`)
  const message = `Timed out after ${Math.round(waited)} ms waiting for ${path}. ${parts.join('; ')}.`
  return new LockTimeoutError(message, { holder, waited, position }, { path, lockfile })
}

function unknownHolder({ filesystem }: LockTarget): string {
  if (!filesystem.distant) return 'Held by somebody who left no record'
  return `Held by somebody who left no record, or its filesystem (${filesystem.type}) does not answer`
}

function holderHere(hold: HoldState | undefined): LockHolder | null {
  return hold === undefined ? null : { ...ownHolder(hold.label), since: new Date(hold.since), here: true }
}

function holderOnRecord(kernel: Kernel, file: LockTarget): LockHolder | null {
  const record = parseRecord(kernel.peek(file))
  if (record === null || record.state !== 'held') return null
  const { pid, tid, host, label, since } = record
  return { pid, tid, host, label, since, here: false }
}

function describe(holder: LockHolder): string {
  const age = holder.since === null ? '' : ` ${duration(Date.now() - holder.since.getTime())}`
  const who = holder.here ? 'by this process' : `by pid ${holder.pid}`
  const label = holder.label === null ? '' : ` "${printable(holder.label)}"`
  const host = holder.here ? '' : ` (host ${printable(holder.host)})`
  return `Held${age} ${who}${label}${host}`
}

function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`
  if (milliseconds < 120_000) return `${Math.round(milliseconds / 1000)} s`
  return `${Math.round(milliseconds / 60_000)} min`
}

function ordinal(place: number): string {
  const teens = place % 100 >= 11 && place % 100 <= 13
  const suffix = teens ? 'th' : (['th', 'st', 'nd', 'rd'][place % 10] ?? 'th')
  return `${place}${suffix}`
}
