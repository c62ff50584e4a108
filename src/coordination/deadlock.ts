// Waits that could never end: an owner waits for what another has, and that one, perhaps by way of more, for what the first
// has. Found when the request that closes the circle is made, whatever its time-out; that request is refused.
//
// An owner is one line of work: what it holds counts as held until everything it waits for is granted. Circles through
// another process or thread are not seen.
import { LockDeadlockError, type DeadlockStep } from '../errors.js'
import * as channels from '../channels.js'
import { printable } from '../record.js'
import { ownerLabel } from './hold-events.js'
import type { OwnedWait } from './owner-state.js'

/** Throws when `wait` closes a circle. `queued` wait besides it. */
export function refuseDeadlock(wait: OwnedWait, queued: number): void {
  const { owner } = wait.request
  if (owner === null || (owner.holds.size === 0 && owner.waits.size === 0)) return
  const circle = circleFrom(wait)
  if (circle !== null) refuse(wait.request, circle.map(step), queued)
}

/** Of a request whose own owner holds the lock, but not so: it would wait for itself. */
export function refuse(request: OwnedWait['request'], cycle: readonly DeadlockStep[], queued: number): never {
  const { file, mode, owner, label } = request
  const { target: path, lockfile } = file
  if (channels.deadlocked.wanted) {
    channels.deadlocked.publish({ path, lockfile, mode, owner: ownerLabel(owner), label: label ?? null, queued, cycle })
  }
  throw new LockDeadlockError(describe(cycle), cycle, { path, lockfile })
}

export function step({ request: { file, mode, owner } }: Pick<OwnedWait, 'request'>): DeadlockStep {
  return { owner: owner?.label ?? '', path: file.target, mode }
}

/** Waits of which each waits for the owner of the next, and the last for the owner of the first. */
function circleFrom(first: OwnedWait): OwnedWait[] | null {
  const { owner: target } = first.request
  const seen = new Set<OwnedWait>([first])
  const path: { readonly wait: OwnedWait; readonly next: OwnedWait[] }[] = []

  /** Puts a wait on the path, with those that it may lead to. Whether it waits for the owner of the first. */
  const closes = (wait: OwnedWait): boolean => {
    const next: OwnedWait[] = []
    path.push({ wait, next })
    const blockers = wait.blockers()
    // What blocks a request that comes first blocks this one too, and is among the blockers already.
    for (const blocker of blockers) if (blocker.wait !== null) seen.add(blocker.wait)
    for (const { owner, wait: earlier } of blockers) {
      if (owner === null) continue
      if (owner === target) {
        if (wait === first && earlier !== null) continue // its own earlier request: it will enter with that one
        return true
      }
      for (const other of owner.waits) {
        if (seen.has(other)) continue
        seen.add(other)
        next.push(other)
      }
    }
    return false
  }

  let closed = closes(first)
  for (let last = path.at(-1); !closed && last !== undefined; last = path.at(-1)) {
    const next = last.next.pop()
    if (next === undefined) path.pop()
    else closed = closes(next)
  }
  return closed ? path.map(({ wait }) => wait) : null
}

function describe(cycle: readonly DeadlockStep[]): string {
  if (cycle.length === 1) {
    const [only] = cycle
    return `Deadlock: ${name(only)} holds ${only?.path} shared and would wait for itself to hold it exclusively`
  }
  const steps = cycle.map((one, index) => {
    return `${name(one)} waits for ${one.path}, which ${name(cycle[(index + 1) % cycle.length])} has`
  })
  return `Deadlock: ${steps.join('; ')}`
}

function name(one: DeadlockStep | undefined): string {
  return one === undefined || one.owner === '' ? 'an owner without a name' : `"${printable(one.owner)}"`
}
