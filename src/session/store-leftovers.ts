// A process that dies in the middle of an update leaves a new file behind; whoever has the lock after that removes it.
//
// Such files are made under the lock only. So one that was there before a hold began is nobody's during that hold: its maker
// is dead, or has lost the lock and cannot put it in place any more.
import { underHold } from '../door.js'
import { acquire, type AcquireOptions } from '../index.js'
import { newFilesOf } from './new-file.js'

/** What the dead have left. That it cannot be removed harms nobody. */
export async function removeLeftovers(path: string, options: AcquireOptions): Promise<void> {
  try {
    const files = await newFilesOf(path, 'tmp')
    if (files.length === 0) return
    await underHold(await acquire(path, options), async (changes) => {
      for (const file of files) await changes.make({ task: 'remove', path: file })
    })
  } catch {
    // Whoever finds the next dead holder tries again.
  }
}
