// New files, before they have the name of the file that they replace: in the same folder, for a rename does not cross
// filesystems, and under a name that nobody can guess, so that nobody can put something there before.
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** What they are for: whoever clears away the one kind knows nothing of the other. */
export type Kind = 'tmp' | 'compacted'

/** Longer than this, the file's name would leave no room for what is added. */
const LONGEST_NAME = 200

export function newFileFor(path: string, kind: Kind): string {
  return join(dirname(path), `${prefixOf(path)}${randomBytes(16).toString('hex')}.${kind}`)
}

/** All that there are, whoever made them. */
export async function newFilesOf(path: string, kind: Kind): Promise<string[]> {
  const prefix = prefixOf(path)
  const random = new RegExp(`^[0-9a-f]{32}\\.${kind}$`)
  const names = await readdir(dirname(path))
  const ours = names.filter((name) => name.startsWith(prefix) && random.test(name.slice(prefix.length)))
  return ours.map((name) => join(dirname(path), name))
}

function prefixOf(path: string): string {
  const name = basename(path)
  return `.${Buffer.byteLength(name) > LONGEST_NAME ? name.slice(0, LONGEST_NAME / 4) : name}.`
}
