// What stands in a tree: enough of it that nothing can be read back changed, given away, made, deleted or merely written to.
// Not the times of reading.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Of each path, what is known of it, by name. */
export type Snapshot = ReadonlyMap<string, ReadonlyMap<string, string>>

/** Bigger files are known by size and times. */
const MOST_BYTES = 1 << 22

export function snapshotOf(tree: string): Snapshot {
  const snapshot = new Map<string, ReadonlyMap<string, string>>()
  visit(tree, '.', snapshot)
  return snapshot
}

function visit(tree: string, name: string, snapshot: Map<string, ReadonlyMap<string, string>>): void {
  const path = join(tree, name)
  const status = lstatSync(path, { bigint: true })
  const { mode, uid, gid, nlink, size, rdev, ino, mtimeNs, ctimeNs } = status
  const facts = { mode, uid, gid, rdev, file: ino, written: mtimeNs, changed: ctimeNs }
  const known = new Map(Object.entries(facts).map(([fact, value]) => [fact, String(value)]))
  if (status.isFile()) {
    known.set('links', String(nlink)).set('size', String(size))
    if (size <= MOST_BYTES) known.set('content', createHash('sha1').update(readFileSync(path)).digest('hex'))
  }
  if (status.isSymbolicLink()) known.set('destination', readlinkSync(path))
  snapshot.set(name, known)
  // A filesystem of its own may have been taken away from under its folder.
  if (status.isDirectory()) for (const child of readdirSync(path)) visit(tree, join(name, child), snapshot)
}

export interface Allowed {
  /** What may have become another file or content, by path. */
  readonly changes: readonly string[]
  /** What may be there, or not be there, besides. */
  readonly appears: readonly (string | RegExp)[]
}

/** What is not as it was, and had to be; one line each. */
export function differences(before: Snapshot, after: Snapshot, { changes, appears }: Allowed): string[] {
  const mayAppear = (path: string): boolean =>
    appears.some((one) => (typeof one === 'string' ? one === path : one.test(path)))
  const found: string[] = []
  const folders = new Set<string>()
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(path), after.get(path)]
    if ((was === undefined) === (is === undefined)) continue
    if (mayAppear(path)) folders.add(dirname(path))
    else found.push(`${path} has been ${was === undefined ? 'made' : 'deleted'}`)
  }
  for (const [path, was] of before) {
    const is = after.get(path)
    if (is === undefined || mayAppear(path) || changes.includes(path)) continue
    const facts = [...new Set([...was.keys(), ...is.keys()])].filter((fact) => was.get(fact) !== is.get(fact))
    // A folder in which something was made that may be there has been written to.
    const other = facts.filter((fact) => !(folders.has(path) && (fact === 'written' || fact === 'changed')))
    if (other.length > 0) found.push(`${path} has another ${other.join(', ')}`)
  }
  return found
}
