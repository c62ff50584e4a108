// Where claims wait that were not granted at once: in the server, first come first served, in at most four sessions, each of
// which waits for one lock at a time. Who finds no session free stands in line here.
//
// Locks cannot go from one session to another, and a session that waits can do nothing else. So the rules of the turnstile:
//
//  1. A lock is asked for only by who has its turnstile, in any mode. A try takes that in shared mode, for the length of one
//     statement; a wait takes it in the mode of the lock, waits for the lock, and keeps both when it is granted.
//  2. So a lock that was won by waiting can be moved to the holder session when its session is needed for another wait. An
//     exclusive one is let go and taken there, while the turnstile keeps everybody else away from it; a shared one is taken
//     there first, which nothing can be in the way of: whoever wants it exclusively stands at the turnstile.
//  3. A wait that makes others stand in line for long goes to the end of that line: nobody waits behind a lock that he does
//     not want.
//  4. Whatever ends a wait but a grant that is wanted, its session lets go of everything before it is used again, and before
//     anybody is told: that a wait failed does not mean that it holds nothing.
import type { Timer } from '../kernel/clock.js'
import type { FenceRange } from '../kernel/kernel.js'
import type { Claim } from './claim.js'
import { Disconnected, wasCanceled } from './errors.js'
import type { Session } from './session.js'
import type { Sessions } from './sessions.js'
import * as statements from './statements.js'

export const MOST_WAITING = 4
/** Rule 3. */
const LONG = 1000
/** A session that nobody needs is closed after so long. */
const IDLE = 30_000
const FIRST_PAUSE = 5
const LONGEST_PAUSE = 200

export interface Front {
  /** The holder session. */
  holder(): Promise<Session>
  /** A session of this room has ended. */
  ended(session: Session, cause: unknown): void
  /** A claim that was held has lost its lock. */
  lost(claim: Claim, cause: unknown): void
  /** Of the fencing number that a grant came with. */
  range(fence: string): FenceRange
}

/** A session that waits for a lock. */
interface Blocked {
  readonly session: Session
  readonly since: number
  answered: boolean
  /** Until it is sure that no request to cancel is under way any more. */
  canceling: Promise<void> | null
  readonly interrupt: () => void
}

interface InLine {
  readonly claim: Claim
  readonly call: (session: Session | null) => void
  readonly fail: (error: unknown) => void
}

export class WaitingRoom {
  private readonly sessions: Sessions
  private readonly front: Front
  /** All that are open, or will be. */
  private open = 0
  private readonly idle: { readonly session: Session; readonly timer: Timer }[] = []
  private readonly line: InLine[] = []
  private readonly blocked = new Set<Blocked>()
  /** Claims whose lock was won here, and is still in the session that won it. */
  private readonly winners = new Set<Claim>()
  private readonly all = new Set<Session>()
  private readonly connecting = new Set<Promise<void>>()
  private rotation: Timer | null = null
  private closed = false

  constructor(sessions: Sessions, front: Front) {
    this.sessions = sessions
    this.front = front
  }

  /** Sessions that wait for a lock at this moment. */
  get waiting(): Session[] {
    return [...this.blocked].map(({ session }) => session)
  }

  /** True: it is granted. False: it is not, and nothing of it is left; it may try again. */
  async wait(claim: Claim): Promise<boolean> {
    const session = await this.seat(claim)
    if (session === null) return false
    if (!claim.isWanted()) {
      this.free(session)
      return false
    }
    const answer = session.query(statements.wait(session, claim.key, claim.mode), true)
    const blocked: Blocked = {
      session,
      since: this.sessions.clock.now(),
      answered: false,
      canceling: null,
      interrupt: () => {
        blocked.canceling ??= this.cancel(blocked, answer)
      },
    }
    this.blocked.add(blocked)
    claim.interrupt = blocked.interrupt
    this.rotate()
    try {
      const [row] = await answer
      const fence = row?.['fence']
      blocked.answered = true
      await blocked.canceling
      if (typeof fence !== 'string') throw new Error('the server granted nothing and said nothing')
      if (!claim.isWanted()) {
        await this.leave(session)
        return false
      }
      return await this.win(claim, session, fence)
    } catch (error) {
      blocked.answered = true
      await blocked.canceling
      await this.leave(session)
      if (wasCanceled(error)) return false
      throw error
    } finally {
      this.blocked.delete(blocked)
      claim.interrupt = null
    }
  }

  /** Gives back what was won here; another may wait in its session then. */
  async giveBack(claim: Claim): Promise<void> {
    this.winners.delete(claim)
    if (claim.session !== null) await this.leave(claim.session)
  }

  /** Whether the lock of this claim is, or was until that ended, in a session of this room. */
  has(claim: Claim): boolean {
    return this.winners.has(claim)
  }

  /** The holder session is lost, so these are suspect. */
  restart(cause: unknown): void {
    for (const { session } of [...this.blocked]) session.lose(cause)
  }

  async close(): Promise<void> {
    this.closed = true
    this.rotation?.cancel()
    for (const { call } of this.line.splice(0)) call(null)
    await Promise.all(this.connecting)
    await Promise.all([...this.all].map((session) => session.end()))
  }

  /** What a grant proves is that the server had heard the question, long ago: nothing is kept in a session that is about to be lost. */
  private async win(claim: Claim, session: Session, fence: string): Promise<boolean> {
    if (!session.fresh) await session.beat()
    claim.fences = this.front.range(fence)
    claim.attach(session)
    this.winners.add(claim)
    if (this.line.length > 0) this.makeRoom()
    return true
  }

  /** A session to wait in; null when the claim is not wanted any more. */
  private async seat(claim: Claim): Promise<Session | null> {
    if (this.closed) return null
    const idle = this.takeIdle()
    if (idle !== null) return idle
    return await new Promise((call, fail) => {
      const place = { claim, call, fail }
      this.line.push(place)
      claim.interrupt = () => {
        const index = this.line.indexOf(place)
        if (index < 0) return
        this.line.splice(index, 1)
        call(null)
      }
      if (this.open < MOST_WAITING) this.connect()
      else this.makeRoom()
    })
  }

  /** The one that was in use last. */
  private takeIdle(): Session | null {
    const idle = this.idle.pop()
    idle?.timer.cancel()
    return idle?.session ?? null
  }

  /** One more session, for the first in line. */
  private connect(): void {
    this.open++
    const connecting = this.welcome().finally(() => this.connecting.delete(connecting))
    this.connecting.add(connecting)
  }

  private async welcome(): Promise<void> {
    try {
      const session = await this.sessions.open()
      this.all.add(session)
      session.onEnd = (cause) => this.ended(session, cause)
      if (session.over) this.ended(session, undefined)
      else this.free(session)
    } catch (error) {
      this.open--
      if (this.open > 0) {
        this.makeRoom() // those that are open must do
        return
      }
      for (const { claim, fail } of this.line.splice(0)) {
        claim.interrupt = null
        fail(error)
      }
    }
  }

  private ended(session: Session, cause: unknown): void {
    if (!this.all.delete(session)) return
    this.open--
    this.forgetIdle(session)
    this.front.ended(session, cause)
    if (this.line.length > 0 && this.open < MOST_WAITING) this.connect()
  }

  /** Rule 4, and the session is free for the next. */
  private async leave(session: Session): Promise<void> {
    if (await untilDone(session, statements.unlockAll(session))) this.free(session)
  }

  private free(session: Session): void {
    const next = this.line.shift()
    if (next !== undefined) {
      next.claim.interrupt = null
      next.call(session)
      return
    }
    const timer = this.sessions.clock.background(IDLE, () => {
      this.forgetIdle(session)
      void session.end()
    })
    this.idle.push({ session, timer })
  }

  private forgetIdle(session: Session): void {
    const index = this.idle.findIndex((idle) => idle.session === session)
    if (index < 0) return
    this.idle[index]?.timer.cancel()
    this.idle.splice(index, 1)
  }

  /** Rule 2 first, for it costs nobody anything; else rule 3, in a while. */
  private makeRoom(): void {
    for (const claim of this.winners) {
      if (claim.moving !== null || claim.session === null) continue
      const { session } = claim
      claim.moving = this.move(claim, session).finally(() => (claim.moving = null))
      return
    }
    this.rotate()
  }

  private async move(claim: Claim, session: Session): Promise<void> {
    const { key, mode } = claim
    let letGo = false
    try {
      const holder = await this.front.holder()
      letGo = mode === 'exclusive'
      if (letGo) await session.query(statements.unlock(session, key, mode))
      const taken = await this.take(holder, claim)
      if (taken !== 'true') throw new Error('somebody who does not use holdfast took the lock')
      if (holder.over) throw new Disconnected(undefined)
      this.winners.delete(claim)
      claim.attach(holder)
    } catch (cause) {
      if (!letGo) {
        this.rotate()
        return // it stays where it is
      }
      this.winners.delete(claim)
      claim.detach()
      this.front.lost(claim, cause)
    }
    await this.leave(session)
  }

  /** When that fails, nothing is left of it. */
  private async take(holder: Session, { key, mode }: Claim): Promise<string | null> {
    try {
      return await holder.ask(statements.take(holder, key, mode), 'done')
    } catch (error) {
      await untilDone(holder, statements.unlock(holder, key, mode))
      throw error
    }
  }

  /** Rule 3; and a lock that could not be moved may be by then. */
  private rotate(): void {
    if (this.rotation !== null || this.line.length === 0) return
    this.rotation = this.sessions.clock.background(LONG, () => {
      this.rotation = null
      if (this.line.length === 0) return
      const [oldest] = this.blocked
      if (oldest !== undefined && this.sessions.clock.now() - oldest.since >= LONG) oldest.interrupt()
      this.makeRoom()
    })
  }

  /** Until it was answered. A request that comes before the wait has begun does nothing, so it is made again and again. */
  private async cancel(blocked: Blocked, answer: Promise<unknown>): Promise<void> {
    const { session } = blocked
    const settled = answer.catch(() => {})
    const { clock, patience } = this.sessions
    const end = clock.now() + patience
    for (let pause = FIRST_PAUSE; !blocked.answered; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        const holder = await this.front.holder()
        const known = await holder.query(statements.cancel(session))
        if (known.length === 0 && !isAnswered(blocked))
          session.lose(new Error('the server does not know the session any more'))
        else if (clock.now() >= end) session.lose(new Error(`no answer within ${patience} ms after it was canceled`))
      } catch (error) {
        session.lose(error)
      }
      let timer: Timer | undefined
      await Promise.race([settled, new Promise<void>((resolve) => (timer = clock.after(pause, resolve)))])
      timer?.cancel()
    }
  }
}

/** It changes while somebody else is waited for. */
function isAnswered({ answered }: Blocked): boolean {
  return answered
}

/** Of a statement that must be done: a request to cancel may have been meant for the one before. False when the session has ended. */
async function untilDone(session: Session, text: string): Promise<boolean> {
  for (;;) {
    try {
      await session.query(text)
      return true
    } catch (error) {
      if (session.over) return false
      if (wasCanceled(error)) continue
      session.lose(error)
      return false
    }
  }
}
