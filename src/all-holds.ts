// Everything that is held in this thread, whatever keeps the locks: files or databases. Who makes holds says here how to list them.
import type { HoldInfo } from './hold-info.js'

type List = () => HoldInfo[]

const lists = new Set<List>()

/** From now on `list` is asked too, until what is answered is called. */
export function addHolds(list: List): () => void {
  lists.add(list)
  return () => lists.delete(list)
}

export function allHolds(): HoldInfo[] {
  return [...lists].flatMap((list) => list())
}
