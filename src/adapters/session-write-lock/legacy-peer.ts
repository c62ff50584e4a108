// Living with old gateways: besides the kernel's lock, their lock file is made, and one of theirs is waited for.
//
// Whoever comes here holds the kernel's lock already, so two new processes never race for the file; an old one may. And an
// old one judges the file by its age and by process ids, as ever: this half of the lock is as weak as theirs.
import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import {
  isWritten,
  judge,
  legacyPayload,
  makeLegacyFile,
  readLegacyFile,
  removeLegacyFile,
  type LegacyFile,
} from './legacy-file.js'
import { ownerText, SessionWriteLockTimeoutError } from './timeout-error.js'

const POLL_MS = 50

/** A file that this copy has made. */
interface Made {
  readonly path: string
  readonly text: string
  /** How many holds need it. */
  holds: number
}

const made = new Set<Made>()

export interface LegacyWait {
  readonly sessionFile: string
  readonly timeoutMs: number
  readonly maxHoldMs: number
  /** By performance.now(). */
  readonly deadline: number
  readonly signal: AbortSignal | undefined
  /** Throws when the kernel's lock was lost meanwhile. */
  assertHeld(): void
}

/** What one hold has of a file of old gateways. */
export class LegacyPeer {
  readonly #file: Made
  #guards = 0
  #ending = false
  #left = false

  private constructor(file: Made) {
    this.#file = file
    file.holds++
  }

  /** The deadline covers this wait too; at the deadline there is one last try. */
  static async enter(wait: LegacyWait): Promise<LegacyPeer> {
    const path = legacyPath(wait.sessionFile)
    for (;;) {
      wait.signal?.throwIfAborted()
      wait.assertHeld()
      const own = make(path, wait.maxHoldMs)
      if (own !== null) return new LegacyPeer(own)
      const found = readLegacyFile(path)
      if (found === null) continue
      const shared = ours(found)
      if (shared !== undefined) return new LegacyPeer(shared)
      if (takeAway(found)) continue
      const rest = wait.deadline - performance.now()
      if (rest <= 0) {
        const facts = { timeoutMs: wait.timeoutMs, owner: ownerText(found.pid), lockPath: path }
        throw new SessionWriteLockTimeoutError(facts)
      }
      // An abort ends the pause; what it means is seen to above.
      await pause(Math.min(POLL_MS, rest), undefined, { signal: wait.signal }).catch(() => {})
    }
  }

  /** Runs a guarded section: whatever ends the hold meanwhile, the file stays until that is over. */
  async during<T>(section: () => T | Promise<T>): Promise<T> {
    this.#guards++
    try {
      return await section()
    } finally {
      this.#guards--
      this.#settle()
    }
  }

  /** The hold has ended, or is about to. Later calls do nothing. */
  end(): void {
    this.#ending = true
    this.#settle()
  }

  #settle(): void {
    if (!this.#ending || this.#left || this.#guards > 0) return
    this.#left = true
    leave(this.#file)
  }
}

/** The file that an old gateway would make: it follows links on the way, and not the last one. */
function legacyPath(sessionFile: string): string {
  const path = resolve(sessionFile)
  return join(realpathSync(dirname(path)), `${basename(path)}.lock`)
}

/** Null when there is one. */
function make(path: string, maxHoldMs: number): Made | null {
  const text = legacyPayload(maxHoldMs)
  if (!makeLegacyFile(path, text)) return null
  const file = { path, text, holds: 0 }
  made.add(file)
  return file
}

/** What another hold of this process has made, though perhaps by another path: they hold one session. */
function ours(found: LegacyFile): Made | undefined {
  return [...made].find(({ text }) => text === found.text)
}

/** Removes what nobody can hold. No age counts: an old gateway that lives may be writing. */
function takeAway(found: LegacyFile): boolean {
  const isOurs = found.pid === process.pid // of a life before this one, or of a hold that is over
  if (!isWritten(found) || (!isOurs && !isGone(found))) return false
  try {
    return removeLegacyFile(found)
  } catch {
    return false // somebody has it open, where that forbids it
  }
}

function isGone(found: LegacyFile): boolean {
  const { staleReasons } = judge(found, Infinity, Date.now())
  return staleReasons.some((reason) => reason !== 'invalid-createdAt')
}

/** Only what is still ours: an old gateway may have thought it stale, and have its own there now. */
function leave(file: Made): void {
  file.holds--
  if (file.holds > 0) return
  made.delete(file)
  const found = readLegacyFile(file.path)
  if (found?.text !== file.text) return
  try {
    removeLegacyFile(found)
  } catch {
    // It stays, and is taken away by whoever comes next and finds it to be nobody's.
  }
}
