// The lock files of a folder: found by their names, never through links, and never more than a bound.
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'

/** Entries looked at: a bound on time, for a folder may be anything. */
const MOST_ENTRIES = 200_000
/** Files found: a bound on what is shown, and looked at again and again. */
const MOST_FILES = 10_000

export interface Found {
  /** In the order of their names. */
  readonly paths: readonly string[]
  /** Folders that could not be read. */
  readonly unread: readonly { readonly folder: string; readonly error: unknown }[]
  /** There may be more. */
  readonly cut: boolean
}

export interface Search {
  /** What the names end with. */
  readonly suffix: string
  /** Folders too, as some protocols make them. */
  readonly folders?: boolean
  readonly recursive: boolean
}

/** The folder itself may be a link: it was named. */
export async function findNamed(folder: string, { suffix, folders = false, recursive }: Search): Promise<Found> {
  const paths: string[] = []
  const unread: { folder: string; error: unknown }[] = []
  const open = [folder]
  let looked = 0
  let cut = false
  for (let next = open.shift(); next !== undefined && !cut; next = open.shift()) {
    try {
      for await (const entry of await opendir(next)) {
        if (++looked > MOST_ENTRIES || paths.length >= MOST_FILES) {
          cut = true
          break
        }
        const path = join(next, entry.name)
        const named = entry.name.endsWith(suffix) && entry.name !== suffix
        if (named && (entry.isFile() || (folders && entry.isDirectory()))) paths.push(path)
        else if (recursive && entry.isDirectory()) open.push(path)
      }
    } catch (error) {
      unread.push({ folder: next, error })
    }
  }
  return { paths: paths.sort(), unread, cut }
}
