// The error of a wait that ran out: who holds the lock, for how long, and where in line the waiter stood; and what could be
// done about it, where that can be told.
import { LockTimeoutError, type LockHolder, type ProcessHolder } from '../errors.js'
import type { Kernel, LockTarget } from '../kernel/kernel.js'
import { processHolders } from '../kernel/proc-locks.js'
import type { Request } from '../options.js'
import { parseRecord, printable, thisThread } from '../record.js'
import { ownerLabel } from './hold-events.js'
import type { HoldState } from './hold-state.js'

export function timeoutError(
  kernel: Kernel,
  request: Request,
  waited: number,
  position: number,
  here: HoldState | undefined,
): LockTimeoutError {
  const { target: path, lockfile, filesystem } = request.file
  const holder = holderHere(here) ?? holderOnRecord(kernel, request.file)
  const processes = filesystem.distant || holder?.here === true ? [] : processHolders(lockfile)
  const parts = [whoHolds(holder, processes, request.file)]
  if (position > 0) parts.push(`${ordinal(position)} in queue`)
  parts.push(...advice(holder, request, here))
  const message = `Timed out after ${Math.round(waited)} ms waiting for ${path}. ${parts.join('; ')}.`
  return new LockTimeoutError(message, { holder, processes, waited, position }, { path, lockfile })
}

function holderHere(hold: HoldState | undefined): LockHolder | null {
  if (hold === undefined) return null
  const { owner, label, acquiredAt } = hold.info
  const { lasts } = hold
  return {
    ...thisThread(),
    owner,
    label: label ?? null,
    since: new Date(hold.since),
    maxHold: lasts === Infinity ? null : Math.round(lasts),
    acquiredAt,
    here: true,
  }
}

function holderOnRecord(kernel: Kernel, file: LockTarget): LockHolder | null {
  const record = parseRecord(kernel.peek(file))
  if (record === null || record.state !== 'held') return null
  const { pid, tid, host, owner, label, since, maxHold } = record
  return { pid, tid, host, owner, label, since, maxHold, acquiredAt: null, here: false }
}

/** The kernel knows the processes, the record the names. Where they disagree, the record is an old one. */
function whoHolds(holder: LockHolder | null, processes: readonly ProcessHolder[], file: LockTarget): string {
  const pids = processes.map(({ pid }) => pid)
  const byKernel = `by pid ${pids.join(', ')}`
  if (holder === null) return pids.length > 0 ? `Held ${byKernel}, which left no record` : unknownHolder(file)
  const known = holder.here || pids.length === 0 || pids.includes(holder.pid)
  return known ? describe(holder) : `Held ${byKernel}; its record is of pid ${holder.pid} and out of date`
}

function unknownHolder({ filesystem }: LockTarget): string {
  if (!filesystem.distant) return 'Held by somebody who left no record'
  return `Held by somebody who left no record, or its filesystem (${filesystem.type}) does not answer`
}

function describe(holder: LockHolder): string {
  const age = holder.since === null ? '' : ` ${duration(Date.now() - holder.since.getTime())}`
  const who = holder.here ? 'by this process' : `by pid ${holder.pid}`
  const names = [holder.owner, holder.label].map((name) => (name === null ? '' : ` "${printable(name)}"`)).join('')
  const host = holder.here ? '' : ` (host ${printable(holder.host)})`
  const where = holder.acquiredAt === null ? '' : `, acquired ${holder.acquiredAt.split('\n')[0] ?? ''}`
  return `Held${age} ${who}${names}${host}${where}`
}

function advice(holder: LockHolder | null, request: Request, here: HoldState | undefined): string[] {
  if (here?.open === false) return ['that hold has ended, and an open guard of it keeps the lock']
  const advice: string[] = []
  if (holder !== null && holder.maxHold !== null && holder.since !== null) {
    const rest = holder.since.getTime() + holder.maxHold - Date.now()
    const bound = `its maxHold of ${holder.maxHold} ms ends it in ${duration(rest)}`
    if (rest > 0) advice.push(`${bound}, too late for a timeout of ${request.timeout} ms`)
  }
  const mayEnter = here !== undefined && (here.mode === 'exclusive' || request.mode === 'shared')
  if (mayEnter && ownerLabel(request.owner) === null) advice.push('pass `owner` to enter what the same owner holds')
  return advice
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
