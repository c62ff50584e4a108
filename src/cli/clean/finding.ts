// What was found out about one file, and how it is removed.
export interface Finding {
  readonly path: string
  /** Whose protocol: ours; a gateway's file with a process id; the folder of proper-lockfile; an empty file, as of lockfile. */
  readonly kind: 'holdfast' | 'process-id' | 'folder' | 'empty-file'
  readonly reason: Reason
  /** The same, for people. */
  readonly why: string
  /** Who holds it, or held it last. */
  readonly pid: number | null
  /** Null where it is to be kept. Looks again, at a moment when nobody else can have it, as far as the protocol allows. */
  readonly remove: (() => Removal) | null
}

export type Reason =
  /** Nobody holds it: it may go. */
  | 'free'
  | 'held'
  /** Free, and tells the next holder of a death. */
  | 'abandoned'
  /** Somebody's data. */
  | 'foreign-content'
  | 'unreadable'
  /** On a filesystem where a removal may split the lock in two. */
  | 'filesystem'
  /** Of other protocols: the process that made it is gone; its id belongs to another one now; it lives. */
  | 'dead-pid'
  | 'recycled-pid'
  | 'live-pid'
  /** Of those without a process id. */
  | 'old'
  | 'recent'

/** `busy`: somebody has taken it meanwhile. `changed`: it is not what was judged. */
export type Removal = 'removed' | 'busy' | 'changed'
