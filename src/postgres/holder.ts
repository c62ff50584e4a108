// The session that holds: what is asked of it while it is busy goes out together, in one statement. So ten thousand locks are
// taken or let go of in a few round trips; and the server, which looks through all locks of a session at the end of each of its
// statements, does that a few times.
//
// Requests that are there at one time are for different keys: a claim begins when those before it on its key are done.
import type { Mode } from '../kernel/kernel.js'
import { wasCanceled } from './errors.js'
import type { Key } from './key.js'
import type { Session } from './session.js'
import * as statements from './statements.js'

/** In one statement. */
const MOST = 500

interface Request {
  readonly key: Key
  readonly mode: Mode
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

  /** Through the turnstile without stopping. The fence that came with the grant, or null. When it fails, nothing is left of it. */
  attempt(key: Key, mode: Mode): Promise<string | null> {
    return this.ask(this.tries, key, mode)
  }

  /** Resolves when the lock is let go of, or the session has ended. */
  async unlock(key: Key, mode: Mode): Promise<void> {
    await this.ask(this.unlocks, key, mode)
  }

  private ask(queue: Request[], key: Key, mode: Mode): Promise<string | null> {
    return new Promise((resolve, reject) => {
      queue.push({ key, mode, resolve, reject })
      if (!this.busy) void this.work()
    })
  }

  private async work(): Promise<void> {
    this.busy = true
    for (;;) {
      const unlocks = together(this.unlocks)
      const tries = unlocks.length > 0 ? [] : together(this.tries)
      if (unlocks.length + tries.length === 0) break
      await this.unlockAll(unlocks)
      await this.attemptAll(tries)
    }
    this.busy = false
  }

  private async unlockAll(requests: readonly Request[]): Promise<void> {
    const [first] = requests
    if (first === undefined) return
    try {
      const keys = requests.map(({ key }) => key)
      const done = await this.session.ask(statements.unlockEach(this.session, keys, first.mode), 'done')
      if (done !== 'true') this.session.lose(new Error('a lock that was held was not'))
    } catch {
      // How far it came nobody knows. Whatever is let go of by now cannot be let go of once more.
      for (const { key, mode } of requests) await this.sure(statements.unlock(this.session, key, mode))
    }
    for (const { resolve } of requests) resolve(null)
  }

  private async attemptAll(requests: readonly Request[]): Promise<void> {
    const [first] = requests
    if (first === undefined) return
    try {
      const keys = requests.map(({ key }) => key)
      const rows = await this.session.query(statements.attemptEach(this.session, keys, first.mode))
      for (const [index, { resolve }] of requests.entries()) {
        const fence = rows[index]?.['fence']
        resolve(typeof fence === 'string' ? fence : null)
      }
    } catch (error) {
      for (const request of requests) await this.cleanUp(request)
      if (requests.length > 1) for (const request of requests) await this.attemptAll([request])
      else first.reject(error)
    }
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

/** Takes out the first, and those after it that are of one mode with it. */
function together(queue: Request[]): Request[] {
  const mode = queue[0]?.mode
  const end = queue.findIndex((request, index) => index === MOST || request.mode !== mode)
  return queue.splice(0, end < 0 ? queue.length : end)
}
