// New files of a store, before they have its name. A process that dies in between leaves one behind; whoever has the lock
// after that removes it.
//
// Such files are made under the lock only. So one that was there before a hold began is nobody's during that hold: its maker
// is dead, or has lost the lock and cannot put it in place any more.
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { underHold } from '../door.js'
import { acquire, type AcquireOptions } from '../index.js'

/** Longer than this, the file's name would leave no room for what is added. */
const LONGEST_NAME = 200

const RANDOM = 16
const SUFFIX = '.tmp'

/** In the same folder, for a rename does not cross filesystems. Nobody can guess it and put something there before. */
export function temporaryName(path: string): string {
  return join(dirname(path), prefixOf(path) + randomBytes(RANDOM).toString('hex') + SUFFIX)
}

/** What the dead have left. That it cannot be removed harms nobody. */
export async function removeLeftovers(path: string, options: AcquireOptions): Promise<void> {
  try {
    const prefix = prefixOf(path)
    const names = (await readdir(dirname(path))).filter((name) => isTemporary(name, prefix))
    if (names.length === 0) return
    await underHold(await acquire(path, options), async (changes) => {
      for (const name of names) await changes.make({ task: 'remove', path: join(dirname(path), name) })
    })
  } catch {
    // Whoever finds the next dead holder tries again.
  }
}

function isTemporary(name: string, prefix: string): boolean {
  if (!name.startsWith(prefix) || !name.endsWith(SUFFIX)) return false
  return /^[0-9a-f]{32}$/.test(name.slice(prefix.length, -SUFFIX.length))
}

function prefixOf(path: string): string {
  const name = basename(path)
  return `.${Buffer.byteLength(name) > LONGEST_NAME ? name.slice(0, LONGEST_NAME / 4) : name}.`
}
