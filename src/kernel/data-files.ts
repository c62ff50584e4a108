// The seam for the files that locks protect: one change, or one look, made in one piece by a thread of the engine. Neither
// a busy thread pool nor a blocked event loop delays it, or the end of the lock after it.
//
// What each change guarantees is said in native/change.h.
import type { Lease } from './kernel.js'
import type { SystemError } from './system-error.js'

/** One file at one time. */
export interface FileState {
  /** Its identity and time of birth: equal for one file only, even where numbers of deleted files are given out again. */
  readonly name: string
  readonly size: number
  /** Whether a path names it. */
  readonly linked: boolean
}

/** The lock under which a change is made. */
export interface Claim {
  readonly lease: Lease
  /** The lease ends with the change, unless the file is not as expected. */
  readonly ends: boolean
  /** See Kernel.release. */
  readonly ending: Uint8Array | null
  readonly prefix: number
}

/**
 * - `look`: reads `most` bytes from `from` on, or the last ones (`tail`).
 * - `append`: adds `bytes` at the end; makes the file where there is none. Looks at the last bytes first, unless the file is
 *   the one that is `known`. What the file `other` has, and its name, come to the device before that, if they can.
 * - `cut`: cuts the file to `from` bytes.
 * - `replace`: puts a new file in its place, which is made of `bytes` under the name `other`, or was made before. If it
 *   `carries`, what the file has from `from` on is added to it.
 * - `remove`: deletes the file.
 */
export type Task = 'look' | 'append' | 'cut' | 'replace' | 'remove'

export interface Wish {
  readonly task: Task
  readonly path: string
  readonly other?: string
  readonly bytes?: Uint8Array
  /** `any` by default. An `exact` file may have a last line without end; `at-least` may have grown. */
  readonly expected?: 'any' | 'absent' | 'exact' | 'at-least'
  readonly known?: Pick<FileState, 'name' | 'size'> | null
  /** On the device when it is done. */
  readonly synced?: boolean
  /** So is the name of the file, of an append that is synced. That of a new file always is. */
  readonly folder?: boolean
  readonly carries?: boolean
  /** A look at what the device has, where the system can forget what it has in memory. */
  readonly forgetful?: boolean
  readonly tail?: boolean
  readonly from?: number
  readonly most?: number
  /** Permissions of a file that is made. */
  readonly mode?: number
}

export type Came =
  | 'done'
  /** There is no file. */
  | 'absent'
  /** It is not as expected; nothing was done. */
  | 'differs'
  /** Its last line has no end; nothing was done. */
  | 'torn'
  /** The lease has ended; nothing was done. */
  | 'lost'
  | 'failed'
  /** Done, and somebody else has written meanwhile, or deleted the file. */
  | 'foreign'

export interface Report {
  readonly came: Came
  readonly failure: SystemError | null
  /** The lease has ended with it. */
  readonly ended: boolean
  /** Of a change that failed: nothing was done to the file, or nothing is left of it. */
  readonly undone: boolean
  /** Null where there was no file. */
  readonly before: FileState | null
  readonly after: FileState | null
  /** What a look has read, or the last bytes before an append or after a replacement. */
  readonly seen: Uint8Array
}

export interface DataFiles {
  /** Rejects only where it cannot be asked for; every other failure is reported. */
  change(wish: Wish, claim: Claim | null): Promise<Report>
}
