// What must be true after each step, and at the end: what is visible agrees with the model, and the system has a lock for what
// lasts and none for what does not.
import { getEventListeners } from 'node:events'

import { Owner } from '../../src/owner.js'
import type { FakeLease } from '../../test/helpers/fake-kernel.js'
import type { Claim, Wish } from '../../test/helpers/reference-model.js'
import { PATHS } from './steps.js'
import type { Process, World } from './world.js'

/** What each hold says of itself. */
export function inspectHolds({ model, judge, everShortOfThreads }: World): void {
  // Where there is no thread, a wait finds out at its next try only that two names are of one file.
  if (everShortOfThreads) model.checkDoomed()
  else model.checkWaits()
  for (const claim of model.claims.values()) {
    const held = judge.states.get(claim.id)?.held
    if (held !== model.held(claim)) model.violate(`P6: held of ${claim.id} is ${held}`)
    if (claim.ended !== null && !claim.told) model.violate(`P6: the end of ${claim.id} was not told`)
  }
}

/** What each process keeps. */
export function inspectProcesses(world: World): void {
  const { model, processes } = world
  const claims = new Map<object, Claim[]>()
  for (const claim of model.claims.values()) add(claims, claim.thread, claim)
  for (const process of processes) inspectProcess(world, process, claims.get(process) ?? [])
}

/** At the end, when everybody has let go. */
export function inspectEnd({ model, system, processes }: World): void {
  for (const wish of model.wishes.values()) model.violate(`${wish.id} was never answered`)
  for (const { id } of model.claims.values()) model.violate(`P6: the end of ${id} was never told`)
  for (const { id, state } of processes.flatMap(({ kernel }) => system.leasesOf(kernel)))
    model.violate(`lease ${id} is left, ${state}`)
  for (const { name, coordinator, loop, owners } of processes) {
    const { queuesByPath, detachedQueues, waits, arrivals } = coordinator
    const left = [queuesByPath.size, detachedQueues.size, waits.size, arrivals.size].join()
    if (left !== '0,0,0,0') model.violate(`queues, detached queues, waits, arrivals of ${name} are left: ${left}`)
    if (loop.pendingTimers > 0) model.violate(`${loop.pendingTimers} timers of ${name} are left`)
    for (const { owner, label, controller } of owners) {
      const { holds, waits } = Owner.stateOf(owner)
      if (getEventListeners(controller.signal, 'abort').length > 0) model.violate(`${label} listens to its signal`)
      if (holds.size + waits.size > 0) model.violate(`${label} keeps ${holds.size} holds and ${waits.size} waits`)
    }
  }
}

function inspectProcess(world: World, process: Process, claims: readonly Claim[]): void {
  const { model, system } = world
  const held = claims.filter((claim) => model.held(claim))
  const told = process.coordinator.holds.filter((hold) => hold.held)
  const agrees = told.length === held.length && told.every(({ request }) => held.some(({ id }) => id === request.label))
  if (!agrees) {
    const ids = [told.map(({ request }) => request.label).join(), held.map(({ id }) => id).join()]
    model.violate(`holds() of ${process.name} tells of [${ids[0]}], not of [${ids[1]}]`)
  }
  for (const { owner, label } of process.owners) {
    const own = held.filter((claim) => claim.owner === label).length
    let count = 0
    for (const hold of Owner.stateOf(owner).holds) if (hold.held) count++
    if (count !== own) model.violate(`${label} has ${count} holds, not ${own}`)
  }
  const leases = system.leasesOf(process.kernel)
  const wishes = [...model.wishes.values()].filter((wish) => wish.thread === process)
  const blocked = new Set<string>()
  for (const lease of leases) {
    const { id, inode, mode, state } = lease
    const what = `lease ${id} of ${process.name} (${state}, ${mode})`
    if (state === 'orphaned' || state === 'waiting') {
      const key = `${inode.number} ${mode} ${state}`
      if (blocked.has(key)) model.violate(`P5: a second thread: ${what}`)
      blocked.add(key)
    }
    if (state !== 'orphaned') checkWanted(world, lease, what, claims, wishes)
  }
  if (claims.length === 0 && wishes.length === 0) checkIdle(world, process)
  for (const claim of claims) {
    if (!model.keeps(claim)) continue
    const lease = leases.find(({ inode, state }) => inode === claim.inode && state === 'held')
    if (lease === undefined) model.violate(`P1: ${claim.id} has no lock of the system`)
    else if (claim.mode === 'exclusive' && lease.mode === 'shared') model.violate(`P1: ${claim.id} shares its lock`)
    let guards = 0
    for (const other of claims) if (other.inode === claim.inode) guards += other.guards
    if (lease !== undefined && lease.guards !== guards) model.violate(`lease ${lease.id} has ${lease.guards} guards`)
  }
}

function checkWanted(
  { model, system }: World,
  { inode, state, limit }: FakeLease,
  what: string,
  claims: readonly Claim[],
  wishes: readonly Wish[],
): void {
  if (state === 'held' && claims.some((claim) => claim.inode === inode && (model.keeps(claim) || model.lingers(claim))))
    return
  // A lock is kept for those who are next, and a path that was replaced may have stood for any file of its group.
  const paths = PATHS.filter((path) => system.inodeOf(`${path}.hold`) === inode)
  const wanted = wishes.filter((wish) => paths.length === 0 || paths.some((path) => model.related({ path }, wish)))
  if (wanted.length === 0) model.violate(`P5: ${what} is left for nobody`)
  // Once granted it would lie there until its limit, if the event loop were blocked.
  const latest = Math.max(...wanted.map(({ asked, timeout }) => asked + timeout))
  if (state === 'waiting' && limit > latest + 1e-6) model.violate(`P5: ${what} may outlast those who wait for it`)
}

/** Who holds nothing and waits for nothing keeps nothing: no queue, no wait, no timer. */
function checkIdle({ model }: World, { name, coordinator, loop }: Process): void {
  const { queuesByPath, detachedQueues, waits } = coordinator
  const left = queuesByPath.size + detachedQueues.size + waits.size
  if (left > 0) model.violate(`${name} is idle and has ${left} queues and waits`)
  if (loop.pendingTimers > 0) model.violate(`${name} is idle and has ${loop.pendingTimers} timers`)
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
