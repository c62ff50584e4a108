// Looks at lock files, with what inspect() promises: never waits for a lock, makes nothing, and keeps nobody out for longer than
// a moment.
//
// The kernel decides who holds; the record adds what it knows of that very process. Where the kernel names nobody (another
// PID namespace, another system), the record is all there is, and what is told is told as its word.
import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

import { queueOf } from '../../cli-door.js'
import { inspect, type LockRecord, type LockState } from '../../index.js'
import { commandOf, isAlive, startOf } from '../report/processes.js'
import type { Holder, Lock, Waiter } from './lock.js'
import { waitingSince } from './waiting-since.js'

/** Milliseconds. */
const UNTIL_THE_RECORD = 10

/**
 * A look may come between a grant and its record. So who is named by the kernel and by no record is looked at once more, a moment
 * later; who has none then keeps none.
 */
export async function lookAt(
  lockfiles: readonly string[],
  moment: () => Promise<unknown> = () => sleep(UNTIL_THE_RECORD),
): Promise<Lock[]> {
  const locks = lockfiles.map(look)
  if (locks.some(isNameless)) await moment()
  return locks.map((lock) => (isNameless(lock) ? look(lock.lockfile) : lock))
}

function isNameless({ holders }: Lock): boolean {
  return holders.some(({ mode, confirmed, since }) => mode === 'exclusive' && confirmed && since === null)
}

export function look(lockfile: string): Lock {
  let found: LockState
  try {
    found = inspect(lockfile, { lockfile })
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return { lockfile, state: 'unknown', holders: [], waiters: [], abandoned: null, problem }
  }
  const { state, record } = found
  const queue = queueOf(lockfile)
  const exclusive = queue.holders.some(({ mode }) => mode === 'exclusive')
  const held = state === 'held' || exclusive
  const holders = held
    ? holdersOf(queue.holders, record)
    : queue.holders.map(({ pid, mode }) => holder(pid, mode, null))
  return {
    lockfile,
    state: held ? 'held' : holders.length > 0 ? 'shared' : state,
    holders,
    waiters: queue.waiters.map(({ pid, mode }): Waiter => {
      return { pid, mode, since: waitingSince(pid, lockfile), command: commandOf(pid) }
    }),
    abandoned: state === 'abandoned' && !exclusive ? record : null,
    problem: null,
  }
}

function holdersOf(named: LockState['holders'], record: LockRecord | null): Holder[] {
  const told = record?.state === 'held' ? record : null
  const exclusive = named.filter(({ mode }) => mode === 'exclusive')
  if (exclusive.length === 0) return [byRecord(told)]
  return exclusive.map(({ pid, mode }) => holder(pid, mode, told !== null && isOf(told, pid) ? told : null))
}

/** A process of another namespace writes the number that it has there. */
function isOf(record: LockRecord, pid: number): boolean {
  return record.pid === pid || record.pidns !== namespace()
}

function holder(pid: number, mode: Holder['mode'], record: LockRecord | null): Holder {
  return { ...told(record), pid, mode, command: commandOf(pid), confirmed: true }
}

function byRecord(record: LockRecord | null): Holder {
  const pid = record?.pid ?? null
  const command = record !== null && livesHere(record) ? commandOf(record.pid) : null
  return { ...told(record), pid, mode: 'exclusive', command, confirmed: false }
}

function told(record: LockRecord | null): Pick<Holder, 'since' | 'label' | 'owner' | 'host' | 'maxHold' | 'fence'> {
  return {
    since: record?.since ?? null,
    label: record?.label ?? null,
    owner: record?.owner ?? null,
    host: record === null || record.host === hostname() ? null : record.host,
    maxHold: record?.maxHold ?? null,
    fence: record?.fence ?? null,
  }
}

/** The process with this number is no younger than the hold; the clocks of the two may be a second apart. */
function livesHere({ pid, host, pidns, since }: LockRecord): boolean {
  if (host !== hostname() || pidns !== namespace() || !isAlive(pid)) return false
  const start = startOf(pid)
  return start !== null && start.getTime() <= since.getTime() + 1000
}

function namespace(): string | null {
  try {
    return /\[(\d+)\]/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? null
  } catch {
    return null
  }
}
