// One thread's part of the history: it asks for locks and ends them, and writes down each step on the side where it is
// certain. What is done, and when, is decided in lane.ts.
import { appendFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { isLockError, type Hold, type Owner } from 'holdfast'

import { EventLog, GRANT, KIND, now, type Code, type Mode } from './events.js'
import { ERRORS, type Plan } from './plan.js'
import { Witness, witnessName } from './witness.js'

/** What is used of a hold; a section that does not take the lock pretends to have one. */
export type Holder = Pick<
  Hold,
  | 'held'
  | 'fence'
  | 'recoveredFrom'
  | 'signal'
  | 'lockfile'
  | 'release'
  | 'assertHeld'
  | 'extend'
  | 'guard'
  | typeof Symbol.asyncDispose
>

/** An owner, and its number in the log. */
export interface Lodger {
  readonly owner: Owner
  readonly number: number
}

export interface Held {
  readonly id: number
  readonly hold: Holder
  readonly file: number
  readonly mode: Mode
  readonly lodger: Lodger | null
  /** It may end by itself. */
  readonly limited: boolean
  /** Of its counter; null where it is not known which lock file it holds. */
  readonly counter: string | null
}

export interface Terms {
  readonly mode: Mode
  readonly lodger: Lodger | null
  readonly maxHold: number
  readonly recorded: boolean
}

export class Recorder {
  readonly plan: Plan
  readonly log: EventLog
  private readonly witness: Witness
  private readonly who: string
  private ids = 0
  private guards = 0
  private owners = 0

  constructor(plan: Plan, log: EventLog, who: string) {
    this.plan = plan
    this.log = log
    this.who = who
    this.witness = new Witness(plan.folder)
  }

  nextId(): number {
    return ++this.ids
  }

  lodge(owner: Owner): Lodger {
    return { owner, number: ++this.owners }
  }

  /** A request that was asked at `asked` is granted. */
  granted(hold: Holder, file: number, terms: Terms, asked: bigint, id: number, all: number | null): Held {
    const time = now()
    const { mode, lodger, maxHold, recorded } = terms
    const last = hold.recoveredFrom
    const code = (hold.held ? GRANT.held : 0) | (recorded ? GRANT.recorded : 0) | (last === null ? 0 : GRANT.told)
    const fence = hold.fence ?? -1
    const b = maxHold === Infinity ? -1 : maxHold
    const owner = lodger?.number ?? 0
    this.log.write(KIND.grant, { id, file, mode, code, time, time2: asked, a: fence, b, owner, extra: all ?? id })
    if (last !== null) this.log.write(KIND.recovered, { id, file, a: last.pid, b: last.fence ?? -1, extra: last.tid })
    const counter = this.counterOf(hold, file, id)
    return { id, hold, file, mode, lodger, limited: maxHold !== Infinity, counter }
  }

  /** Which file it is: its path names what it has locked when assertHeld() passes, and never names an earlier one again. */
  private counterOf(hold: Holder, file: number, id: number): string | null {
    const planned = this.plan.files[file]
    if (planned === undefined) return null
    if (planned.inode !== null) return witnessName(file, 'only')
    try {
      const { ino, birthtimeNs } = statSync(hold.lockfile, { bigint: true })
      const time = now()
      hold.assertHeld()
      this.log.write(KIND.inode, { id, file, time, time2: birthtimeNs, a: Number(ino) })
      return witnessName(file, `${ino}-${birthtimeNs}`)
    } catch (error) {
      if (isLockError(error, 'ERR_LOCK_LOST') || isAbsent(error)) return null
      throw error
    }
  }

  refused(id: number, file: number, error: unknown, all = false): void {
    const code = codeOf(error)
    this.log.write(KIND.refused, { id, file, code, extra: all ? 1 : 0 })
    if (code === 'other') this.unexpected(error)
  }

  /** Whether it is held; if so, it was at a time that is written down. */
  check(held: Held): boolean {
    const time = now()
    if (!held.hold.held) return false
    this.log.write(KIND.check, { id: held.id, file: held.file, time })
    return true
  }

  assert(held: Held): boolean {
    const time = now()
    try {
      held.hold.assertHeld()
      this.log.write(KIND.check, { id: held.id, file: held.file, time })
      return true
    } catch (error) {
      if (!isLockError(error, 'ERR_LOCK_LOST')) throw error
      this.log.write(KIND.lost, { id: held.id, file: held.file, time, code: codeOf(error) })
      return false
    }
  }

  /** Counts in one step of this thread, so nothing of it can end an unlimited hold meanwhile. */
  countNow(held: Held): void {
    if (held.limited || held.counter === null || held.mode === 'shared' || !held.hold.held) return
    this.counted(held, held.counter, this.witness.read(held.counter))
  }

  /** Counts in two steps, which only a guard allows. */
  async countSlowly(held: Held, between: () => Promise<void>): Promise<void> {
    const { counter } = held
    if (counter === null || held.mode === 'shared') return between()
    const before = this.witness.read(counter)
    await between()
    this.counted(held, counter, before)
  }

  private counted(held: Held, counter: string, before: number): void {
    this.witness.write(counter, before + 1)
    this.log.write(KIND.count, { id: held.id, file: held.file, a: before + 1 })
  }

  async guard(held: Held, body: () => Promise<void>): Promise<void> {
    const { id, file } = held
    const number = ++this.guards
    const before = now()
    try {
      await held.hold.guard(async () => {
        this.log.write(KIND.guardIn, { id, file, time2: before, a: number })
        try {
          await body()
        } finally {
          this.log.write(KIND.guardOut, { id, file, a: number })
        }
      })
    } catch (error) {
      if (!isLockError(error, 'ERR_LOCK_LOST')) throw error
    }
  }

  extend(held: Held, milliseconds: number): void {
    const { id, file } = held
    this.log.write(KIND.extend, { id, file, a: milliseconds })
    try {
      held.hold.extend(milliseconds)
      this.log.write(KIND.extended, { id, file, a: milliseconds })
    } catch (error) {
      if (!isLockError(error, 'ERR_LOCK_LOST')) throw error
    }
  }

  /** Ends it by `release`, and notes how it had ended, for it may have been lost before. */
  release(held: Held, release: () => void): void {
    this.releaseTogether([held], release)
  }

  releaseTogether(all: readonly Held[], release: () => void): void {
    const lasted = all.map((held) => {
      const lasts = this.check(held)
      this.log.write(KIND.end, { id: held.id, file: held.file })
      return lasts && !held.limited
    })
    release()
    for (const [index, held] of all.entries()) {
      this.ended(held, lasted[index] === true ? 'released' : endingOf(held.hold))
    }
  }

  ended({ id, file }: Held, code: Code): void {
    this.log.write(KIND.ended, { id, file, code })
  }

  close({ number }: Lodger, close: () => void): void {
    this.log.write(KIND.ownerEnds, { owner: number })
    close()
    this.log.write(KIND.ownerEnded, { owner: number })
  }

  releaseAll(releaseAll: () => void): void {
    this.log.write(KIND.allEnd)
    releaseAll()
    this.log.write(KIND.allEnded)
  }

  unexpected(error: unknown): void {
    this.log.write(KIND.unexpected)
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    appendFileSync(join(this.plan.folder, ERRORS), `${this.who}: ${text}\n`)
  }
}

/** Of a hold that has ended. */
function endingOf({ signal }: Holder): Code {
  return signal.aborted ? codeOf(signal.reason) : 'released'
}

/** What the lanes abort with. */
export class Abandoned extends Error {}

/** Why a request was refused, or how a hold ended. */
export function codeOf(error: unknown): Code {
  if (error instanceof Abandoned) return 'aborted'
  if (isLockError(error, 'ERR_LOCK_TIMEOUT')) return 'timeout'
  if (isLockError(error, 'ERR_LOCK_OWNER_CLOSED')) return 'owner-closed'
  if (isLockError(error, 'ERR_LOCK_DEADLOCK')) return 'deadlock'
  if (isLockError(error, 'ERR_LOCK_DATABASE')) return 'database'
  if (isLockError(error, 'ERR_LOCK_LOST')) {
    switch (error.reason) {
      case 'max-hold':
      case 'owner-closed':
      case 'released-all':
      case 'collected':
      case 'replaced':
      case 'connection':
        return error.reason
      default:
        return 'released'
    }
  }
  return 'other'
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
