// The session that holds: what is asked of it while it is busy goes out together, in one statement. So ten thousand locks are
// taken or let go of in a few round trips; and the server, which looks through all locks of a session at the end of each of its
// statements, does that a few times.
//
// What is to be let go of goes out first, and is told first. So a lock may be asked for anew as soon as it is to be let go of:
// nothing is asked for that the session still has. Otherwise requests that are there at one time are for different keys.
//
// A release goes out when no code is left to run that waits for nothing but promises. Who asks for a lock before that, the same one
// or another, costs one round trip with it instead of two: so does whoever takes one lock after another.
import { nextTick } from 'node:process'

import type { Mode } from '../kernel/kernel.js'
import { wasCanceled } from './errors.js'
import type { Key } from './key.js'
import type { Session } from './session.js'
import * as statements from './statements.js'

/** In one statement. */
const MOST = 500
const NOT_HELD = 'a lock that was held was not'

interface Request {
  readonly key: Key
  readonly mode: Mode
  readonly isWanted: () => boolean
  readonly resolve: (answer: string | null) => void
  readonly reject: (error: unknown) => void
}

export class Holder {
  readonly session: Session
  private readonly tries: Request[] = []
  private readonly unlocks: Request[] = []
  private busy = false

  constructor(session: Session) {
    this.session = session
  }

  /**
   * Through the turnstile without stopping. The fence that came with the grant, or null: also when it was not wanted any more
   * before it was its turn. When it fails, nothing is left of it.
   */
  attempt(key: Key, mode: Mode, isWanted: () => boolean): Promise<string | null> {
    return new Promise((resolve, reject) => {
      this.tries.push({ key, mode, isWanted, resolve, reject })
      this.work()
    })
  }

  /** Resolves when the lock is let go of, or the session has ended. */
  unlock(key: Key, mode: Mode): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.unlocks.push({ key, mode, isWanted: () => true, resolve, reject })
      nextTick(() => this.work())
    })
  }

  /** What is on the way of every lock is written with callbacks: an async function more is felt there. */
  private work(): void {
    if (this.busy) return
    const sent = this.send()
    if (sent === null) return
    this.busy = true
    void sent.then(() => {
      this.busy = false
      this.work()
    })
  }

  /** The next statement, until it was answered and whoever asked was told; null where nothing is to be done. */
  private send(): Promise<void> | null {
    const unlocks = together(this.unlocks)
    if (unlocks.length > 0) {
      const unlock = this.unlocks.length === 0 ? onlyExclusive(unlocks) : null
      const attempt = unlock === null ? null : this.takeOnlyTry()
      return unlock !== null && attempt !== null ? this.exchange(unlock, attempt) : this.unlockAll(unlocks)
    }
    while (this.tries.length > 0) {
      const tries = together(this.tries).filter(stillWanted)
      if (tries.length > 0) return this.attemptAll(tries)
    }
    return null
  }

  private takeOnlyTry(): Request | null {
    const attempt = onlyExclusive(this.tries)
    if (attempt === null) return null
    this.tries.pop()
    return stillWanted(attempt) ? attempt : null
  }

  /** Both in one statement, in this order. */
  private exchange(unlock: Request, attempt: Request): Promise<void> {
    return this.session.ask(statements.exchange(this.session, unlock.key, attempt.key), 'fence').then(
      (answer) => {
        const done = answer !== statements.NOT_HELD
        if (!done) this.session.lose(new Error(NOT_HELD))
        unlock.resolve(null)
        if (!done) return this.attemptAll([attempt]) // it was not made, and is told that the session is over
        attempt.resolve(answer)
        return
      },
      async (error: unknown) => {
        await this.cleanUp(attempt)
        await this.unlockSurely(unlock)
        unlock.resolve(null)
        attempt.reject(error)
      },
    )
  }

  private unlockAll(requests: readonly Request[]): Promise<void> {
    const keys = requests.map(({ key }) => key)
    const tell = (): void => {
      for (const { resolve } of requests) resolve(null)
    }
    return this.session.ask(statements.unlockEach(this.session, keys, modeOf(requests)), 'done').then(
      (done) => {
        if (done !== 'true') this.session.lose(new Error(NOT_HELD))
        tell()
      },
      async () => {
        for (const request of requests) await this.unlockSurely(request)
        tell()
      },
    )
  }

  private attemptAll(requests: readonly Request[]): Promise<void> {
    const keys = requests.map(({ key }) => key)
    return this.session.rows(statements.attemptEach(this.session, keys, modeOf(requests)), keys.length).then(
      (rows) => {
        for (const [index, { resolve }] of requests.entries()) {
          const fence = rows[index]?.['fence']
          resolve(typeof fence === 'string' ? fence : null)
        }
      },
      async (error: unknown) => {
        for (const request of requests) await this.cleanUp(request)
        if (requests.length > 1) for (const request of requests) await this.attemptAll([request])
        else for (const { reject } of requests) reject(error)
      },
    )
  }

  /** After a statement that failed: how far it came nobody knows. What is let go of by now cannot be let go of once more. */
  private async unlockSurely({ key, mode }: Request): Promise<void> {
    await this.sure(statements.unlock(this.session, key, mode))
  }

  /** After a try that failed: nobody knows how far it came. */
  private async cleanUp({ key, mode }: Request): Promise<void> {
    const { session } = this
    for (const text of [statements.unlock(session, key, mode), statements.leaveTurnstile(session, key)]) {
      while ((await this.sure(text)) === 'true');
    }
  }

  /** Of a statement that must be done. Null when the session has ended, which does as well. */
  private async sure(text: string): Promise<string | null> {
    for (;;) {
      try {
        return await this.session.ask(text, 'done')
      } catch (error) {
        if (this.session.over) return null
        if (wasCanceled(error)) continue
        this.session.lose(error)
        return null
      }
    }
  }
}

function modeOf([first]: readonly Request[]): Mode {
  return first?.mode ?? 'exclusive'
}

function stillWanted({ isWanted, resolve }: Request): boolean {
  const wanted = isWanted()
  if (!wanted) resolve(null)
  return wanted
}

function onlyExclusive([first, second]: readonly Request[]): Request | null {
  return first?.mode === 'exclusive' && second === undefined ? first : null
}

/** Takes out the first, and those after it that are of one mode with it. */
function together(queue: Request[]): Request[] {
  const mode = queue[0]?.mode
  const end = queue.findIndex((request, index) => index === MOST || request.mode !== mode)
  return queue.splice(0, end < 0 ? queue.length : end)
}
