// What the arguments of `ps` mean: which lock files are looked at. A folder is searched anew at each look.
import type { Stats } from 'node:fs'
import { lstat, open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'

import { queueOf, lockFileOf, RECORD_MAGIC } from '../../cli-door.js'
import { findNamed } from '../report/find.js'

const SUFFIX = '.hold'

export interface Places {
  /** Absolute; those that were asked for by name first. */
  readonly lockfiles: readonly string[]
  /** Those that were asked for by name: shown whatever their state. */
  readonly named: ReadonlySet<string>
  readonly problems: readonly string[]
  /** What names are told from: the only folder, or where we are. */
  readonly here: string
}

export async function lockFilesOf(args: readonly string[], recursive: boolean): Promise<Places> {
  const named = new Set<string>()
  const found = new Set<string>()
  const problems: string[] = []
  for (const path of args.map((arg) => resolve(arg))) {
    const seen = await status(path, stat)
    if (seen?.isDirectory() !== true) {
      for (const lockfile of await locksOfFile(path)) named.add(lockfile)
      continue
    }
    const { paths, unread, cut } = await findNamed(path, { suffix: SUFFIX, recursive })
    for (const lockfile of paths) found.add(lockfile)
    for (const { folder, error } of unread) problems.push(`${folder} cannot be read: ${messageOf(error)}`)
    if (cut) problems.push(`there is more in ${path} than is looked at; name folders further in`)
  }
  const here = args.length === 1 && named.size === 0 ? resolve(args[0] ?? '.') : process.cwd()
  return { lockfiles: [...new Set([...named, ...found])], named, problems, here }
}

/**
 * The lock of a file, the file itself where it is a lock file, or both. Where it is neither by its name, it is one if it has
 * our record, or if somebody holds it or waits for it: somebody's data is not touched to find that out.
 */
async function locksOfFile(path: string): Promise<string[]> {
  const own = lockFileOf(path)
  if (path.endsWith(SUFFIX)) return (await status(own, lstat)) === null ? [path] : [path, own]
  return (await isLockFile(path)) ? ((await status(own, lstat)) === null ? [path] : [own, path]) : [own]
}

async function isLockFile(path: string): Promise<boolean> {
  if ((await status(path, lstat))?.isFile() !== true) return false
  const { holders, waiters } = queueOf(path)
  return holders.length + waiters.length > 0 || (await begin(path).catch(() => '')) === RECORD_MAGIC
}

async function begin(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(RECORD_MAGIC.length), 0, RECORD_MAGIC.length, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await file.close()
  }
}

async function status(path: string, look: (path: string) => Promise<Stats>): Promise<Stats | null> {
  try {
    return await look(path)
  } catch {
    return null
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
