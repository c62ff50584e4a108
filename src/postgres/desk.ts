// Where the holder session is had: made when it is first needed, and anew when it has ended. Who asks meanwhile gets the same.
import { LockError } from '../errors.js'
import { Holder } from './holder.js'
import type { Session } from './session.js'
import type { Sessions } from './sessions.js'

export class Desk {
  private readonly sessions: Sessions
  private readonly ended: (session: Session, cause: unknown) => void
  private last: Holder | null = null
  private opening: Promise<Holder> | null = null
  private closed = false
  private why: unknown = null

  constructor(sessions: Sessions, ended: (session: Session, cause: unknown) => void) {
    this.sessions = sessions
    this.ended = ended
  }

  get current(): Holder | null {
    return this.last?.session.over === false ? this.last : null
  }

  /** Why the last attempt to make one failed; null where it did not. */
  get failure(): unknown {
    return this.why
  }

  async holder(): Promise<Holder> {
    if (this.current !== null) return this.current
    if (this.closed) throw new LockError('ERR_LOCK_DATABASE', 'Closed')
    this.opening ??= this.open().finally(() => (this.opening = null))
    return await this.opening
  }

  async close(): Promise<void> {
    this.closed = true
    await this.opening?.catch(() => {})
    await this.current?.session.end()
  }

  private async open(): Promise<Holder> {
    try {
      const session = await this.sessions.open()
      session.onEnd = (cause) => this.ended(session, cause)
      this.last = new Holder(session)
      this.why = null
      return this.last
    } catch (error) {
      this.why = error
      throw error
    }
  }
}
