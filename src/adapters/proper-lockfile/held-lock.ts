// One lock that this thread holds, from its grant to its release or its loss, and all of them by the files they lock.
//
// A hold whose lock file was deleted or replaced excludes nobody who comes later, and nobody tells. So each lock looks now
// and then, as often as the original touches its own; a look never keeps the process alive. The filesystem is asked aside
// first: one that does not answer must not stop the event loop.
import { stat } from 'node:fs'
import { resolve } from 'node:path'

import { isLockError, type Hold, type LockLostError } from '../../index.js'
import { compromised, failure } from './errors.js'
import { intervalOf, throwIt, type LockOptions } from './options.js'
import type { Place } from './place.js'

/** The last one comes first. They are kept here until they end, whoever else knows them. */
const locks = new Map<string, HeldLock[]>()

/** The last one of `file`; with `lockfilePath`, of those with that lock file. */
export function heldLock(file: string, lockfilePath: string | undefined): HeldLock | undefined {
  return locks.get(file)?.find((lock) => !lockfilePath || lock.lockfile === resolve(lockfilePath))
}

export class HeldLock {
  readonly lockfile: string
  private readonly file: string
  private readonly hold: Hold
  private readonly interval: number
  private readonly onCompromised: (error: Error) => unknown
  private timer: NodeJS.Timeout | undefined
  private ended = false

  constructor({ file, lockfile }: Place, hold: Hold, options: LockOptions | undefined) {
    this.file = file
    this.lockfile = resolve(lockfile)
    this.hold = hold
    this.interval = intervalOf(options)
    this.onCompromised = options?.onCompromised ?? throwIt
    locks.set(file, [this, ...(locks.get(file) ?? [])])
    this.lookLater()
  }

  release(): void {
    if (this.ended) throw failure('ERELEASED')
    this.end()
    this.hold.release()
  }

  private lose(error: LockLostError, seen: Error | null): void {
    this.end()
    this.onCompromised(compromised(error, seen, this.file))
  }

  private end(): void {
    this.ended = true
    clearTimeout(this.timer)
    const others = locks.get(this.file)?.filter((lock) => lock !== this) ?? []
    if (others.length > 0) locks.set(this.file, others)
    else locks.delete(this.file)
  }

  private lookLater(): void {
    this.timer = setTimeout(() => stat(this.hold.lockfile, (error) => this.look(error)), this.interval)
    this.timer.unref()
  }

  /** `seen` is why there is nothing at the path of the lock file, if there is nothing. */
  private look(seen: Error | null): void {
    if (this.ended) return
    try {
      this.hold.assertHeld()
      this.lookLater()
    } catch (error) {
      if (isLockError(error, 'ERR_LOCK_LOST')) this.lose(error, seen)
      else this.lookLater()
    }
  }
}
