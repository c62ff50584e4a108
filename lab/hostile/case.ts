// What a case is: what stands there, what is done, how it must end.
import type { Arena } from './arena.js'
import type { AttackerCalls, Ended, PlainOptions, VictimCalls } from './calls.js'
import type { Remote } from './remote.js'
import type { Need, User } from './users.js'

export interface Scene {
  readonly arena: Arena
  readonly user: User
  readonly victim: Remote<VictimCalls>
  readonly attacker: Remote<AttackerCalls>
  /** Calls the victim every way that there is, and proves every lock. */
  readonly everyWay: (path: string, options?: PlainOptions) => Promise<string>
  /** Takes the end of a call into account: its messages are checked. Answers with its outcome. */
  readonly note: (ended: Ended) => string
}

export interface Case {
  readonly name: string
  readonly needs?: readonly Need[]
  plant?(arena: Arena, scene: Scene): void | Promise<void>
  /** By default, every way to the lock of the arena's target. */
  act?(scene: Scene): Promise<string>
  readonly options?: (arena: Arena) => PlainOptions
  /**
   * Of every way to the lock: `lock`, proved by exclusion; `lock without record`; `busy`; or the system's code for the
   * refusal. Where inspect() answers otherwise than such a code or `free`, it follows behind ` / `.
   */
  readonly expect: string | Readonly<Record<User, string>>
  /** Paths below the arena's base that may be other files, or have other content. */
  readonly changes?: readonly string[]
  /** Likewise, that may be there or not. By default the lock file, where the case ends with a lock. */
  readonly appears?: readonly (string | RegExp)[]
}
