// Unlocking what this thread holds, by the name of the file.
import { failure } from './errors.js'
import { heldLock } from './held-lock.js'
import type { UnlockOptions } from './options.js'
import { placeOf, placeOfSync } from './place.js'

/** Releases the last lock that this thread took of a file. Rejects with ENOTACQUIRED where it holds none. */
export async function unlock(file: string, options?: UnlockOptions): Promise<void> {
  const place = await placeOf(file, options)
  release(place.file, options)
}

/** The same; throws. */
export function unlockSync(file: string, options?: UnlockOptions): void {
  release(placeOfSync(file, options).file, options)
}

function release(file: string, options: UnlockOptions | undefined): void {
  const lock = heldLock(file, options?.lockfilePath)
  if (lock === undefined) throw failure('ENOTACQUIRED')
  lock.release()
}
