// Locking: one try, or a wait in the kernel's queue.
import { setTimeout as pause } from 'node:timers/promises'

import { acquire, tryAcquire, type Hold } from '../../index.js'
import { failure, inItsWords, isOfTheSystem } from './errors.js'
import { HeldLock } from './held-lock.js'
import type { LockOptions } from './options.js'
import { placeOf, placeOfSync, type Place } from './place.js'
import { patienceOf, pauseAfter, scheduleOf, timesOf, type Schedule } from './retries.js'

const LABEL = 'proper-lockfile'

/**
 * Waits for the lock of a file and resolves to its release. Rejects with ELOCKED when somebody else held it for as long as
 * `retries` says. A function that is called twice rejects with ERELEASED.
 */
export async function lock(file: string, options?: LockOptions): Promise<() => Promise<void>> {
  const schedule = scheduleOf(options?.retries)
  const place = await placeOf(file, options)
  const held = new HeldLock(place, await holdOf(place, schedule), options)
  return () =>
    new Promise((resolve) => {
      held.release()
      resolve()
    })
}

/** One try: the release, or an ELOCKED is thrown. */
export function lockSync(file: string, options?: LockOptions): () => void {
  if (timesOf(options?.retries) > 0) throw failure('ESYNC')
  const place = placeOfSync(file, options)
  const held = new HeldLock(place, tried(place), options)
  return () => held.release()
}

/** What the system refuses is tried again after each pause: only who holds a lock can be waited for. */
async function holdOf({ file, lockfile }: Place, schedule: Schedule): Promise<Hold> {
  const begun = performance.now()
  const patience = patienceOf(schedule)
  for (let tries = 1; ; tries++) {
    try {
      const timeout = Math.max(0, patience - (performance.now() - begun))
      return await acquire(file, { lockfile, label: LABEL, timeout })
    } catch (error) {
      const next = isOfTheSystem(error) ? pauseAfter(tries, performance.now() - begun, schedule) : null
      if (next === null) throw inItsWords(error, file)
      await pause(next)
    }
  }
}

function tried({ file, lockfile }: Place): Hold {
  try {
    const hold = tryAcquire(file, { lockfile, label: LABEL })
    if (hold !== null) return hold
  } catch (error) {
    throw inItsWords(error, file)
  }
  throw failure('ELOCKED', { file })
}
