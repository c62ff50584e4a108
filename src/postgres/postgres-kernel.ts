// The engine behind the seam whose locks are session-level advisory locks of a PostgreSQL database. It keeps no record: what
// it knows of holders it asks the server.
//
// One session holds: a lock that is free when it is asked for is taken there, in one round trip. One that is not is waited for
// in the waiting room. Every claim on a key begins when those before it are done, so this process never asks for a lock twice
// in one session, where it would get it twice, and an unlock never comes after the lock that follows it.
import { LockError } from '../errors.js'
import type { Timer } from '../kernel/clock.js'
import type { Filesystem } from '../kernel/filesystem.js'
import type { Answer, ClaimAnswer, FenceRange, How, Kernel, Lease, LockTarget, Mode } from '../kernel/kernel.js'
import type { Row } from './adapter.js'
import { Claim, lastOf, leftBy, unlessEnded } from './claim.js'
import { Desk } from './desk.js'
import { databaseError, mayPass } from './errors.js'
import { Keys, type Key } from './key.js'
import { PreparedTries, type Claims } from './prepared-tries.js'
import type { Session } from './session.js'
import type { Sessions } from './sessions.js'
import type { Heartbeat } from './settings.js'
import * as statements from './statements.js'
import { WaitingRoom, type Front } from './waiting-room.js'

const DATABASE: Filesystem = {
  kind: 'network',
  type: 'postgresql',
  mount: '',
  source: '',
  reason: 'its locks are kept by a database',
  distant: true,
}

/** A server that starts again is asked again, for as long as the lock is wanted. */
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 2000

function unsupported(): never {
  throw new Error('a database keeps its locks in no files')
}

export class PostgresKernel implements Kernel, Front, Claims {
  onSettled: (lease: Lease) => void = () => {}
  onLost: (lease: Lease, cause: unknown) => void = () => {}
  readonly namespace: string
  private readonly heartbeat: Heartbeat
  private readonly keys: Keys
  private readonly sessions: Sessions
  private readonly room: WaitingRoom
  private readonly desk: Desk
  private lastLease = 0
  private readonly claims = new Map<Lease, Claim>()
  /** The last claim on each lock, by its number, until it is done. */
  private readonly latest = new Map<string, Claim>()
  private readonly tries: PreparedTries
  private timer: Timer | null = null
  private closed = false
  private closing: Promise<void> | null = null

  constructor(namespace: string, heartbeat: Heartbeat, sessions: Sessions) {
    this.namespace = namespace
    this.keys = new Keys(namespace)
    this.heartbeat = heartbeat
    this.sessions = sessions
    this.room = new WaitingRoom(sessions, this)
    this.tries = new PreparedTries(this)
    this.desk = new Desk(sessions, (session, cause) => {
      this.ended(session, cause)
      this.room.restart(cause)
    })
  }

  // The seam.

  // Of files and what stands in them, which nobody asks where there are neither links nor records.
  readonly look = unsupported
  readonly looked = unsupported
  readonly follow = unsupported
  readonly read = unsupported
  readonly write = unsupported
  readonly probe = unsupported

  locate(name: string): LockTarget {
    const lockfile = `postgres:${this.namespace}:${name}`
    return { target: name, lockfile, filesystem: DATABASE, unfollowed: false, strict: false }
  }

  /** A synchronous try takes what was prepared for it. A last try finds nothing that the wait has not been granted. */
  request(file: LockTarget, mode: Mode, how: How): Answer {
    const key = this.usableKey(file)
    if (how === 'last-try') return { kind: 'busy' }
    if (how === 'try') {
      const claim = this.tries.take(key, mode)
      if (claim === null) return { kind: 'busy' }
      claim.state = 'held'
      return { kind: 'granted', lease: claim.lease }
    }
    const claim = this.begin(key, mode)
    void this.seek(claim)
    return { kind: 'waiting', lease: claim.lease }
  }

  claim(lease: Lease): ClaimAnswer {
    const claim = this.claims.get(lease)
    if (claim === undefined || claim.state === 'asking') return { kind: 'waiting' }
    if (claim.state === 'failed') {
      this.claims.delete(lease)
      throw claim.failure
    }
    if (this.closed) {
      this.end(claim)
      throw this.closedError(claim.key.name)
    }
    if (claim.session?.alive !== true || this.sessions.clock.now() >= claim.limit) {
      this.end(claim)
      return { kind: 'replaced' }
    }
    claim.state = 'held'
    claim.limit = Infinity
    return { kind: 'granted', lease }
  }

  drop(lease: Lease): void {
    const claim = this.claims.get(lease)
    if (claim !== undefined && claim.state !== 'held') this.end(claim)
  }

  limit(lease: Lease, milliseconds: number): 'limited' | 'ended' {
    const claim = this.claims.get(lease)
    if (claim?.state !== 'held' || this.sessions.clock.now() >= claim.limit) return 'ended'
    claim.limit = this.sessions.clock.now() + milliseconds
    return 'limited'
  }

  limitWait(lease: Lease, grace: number, rest: number): void {
    const claim = this.claims.get(lease)
    if (claim === undefined) return
    claim.grace = grace
    if (claim.state === 'asking') claim.limit = this.sessions.clock.now() + rest
  }

  enterGuard(lease: Lease): boolean {
    const claim = this.claims.get(lease)
    return claim !== undefined && this.alive(lease) && this.sessions.clock.now() < claim.limit
  }

  /** Nothing ends a lease but the event loop, and that asks the hold. */
  exitGuard(): void {}

  /** Nothing is handed over any more when it is closed. */
  names(lease: Lease): boolean {
    return !this.closed && this.alive(lease)
  }

  release(lease: Lease): void {
    const claim = this.claims.get(lease)
    if (claim?.state === 'held') this.end(claim)
  }

  identify(file: LockTarget): string {
    const { order, name } = this.keyOf(file)
    return `${order} ${name}`
  }

  peek(): null {
    return null
  }

  fences(lease: Lease): FenceRange {
    return this.claims.get(lease)?.fences ?? { first: 0, end: 0 }
  }

  alive(lease: Lease): boolean {
    const claim = this.claims.get(lease)
    return claim?.state === 'held' && claim.session?.alive === true
  }

  // For whoever can wait for an answer.

  /** For a synchronous try: see prepared-tries.ts. What it answers is to be discarded after that. */
  async prepare(file: LockTarget, mode: Mode): Promise<Claim | null> {
    const key = this.usableKey(file)
    try {
      return await this.tries.prepare(key, mode)
    } catch (error) {
      throw databaseError(error, file.target, file.lockfile)
    }
  }

  async discard(prepared: Claim | null): Promise<void> {
    await this.tries.discard(prepared)
  }

  /** Resolves when nothing is left of what nobody wants any more of this lock. */
  async settled(file: LockTarget): Promise<void> {
    await leftBy(this.latest.get(this.keyOf(file).lock))
  }

  /** The same of all locks; of a release that others here may still take over, when that is decided. */
  async flush(): Promise<void> {
    await new Promise<void>((resolve) => this.sessions.clock.nextTurn(resolve))
    await Promise.all([...this.latest.values()].map(leftBy))
  }

  /** Why the database cannot be reached at the moment; null where nobody has found that. */
  get outage(): unknown {
    return this.desk.current === null ? this.desk.failure : null
  }

  /** Ends everything, when what is held is released and the last guard has ended. */
  async close(): Promise<void> {
    this.closed = true
    await (this.closing ??= this.shutDown())
  }

  /** The holder session, made anew where there is none. */
  async holder(): Promise<Session> {
    return (await this.desk.holder()).session
  }

  ended(session: Session, cause: unknown): void {
    for (const claim of [...this.claims.values()]) if (claim.session === session) this.lost(claim, cause)
  }

  lost(claim: Claim, cause: unknown): void {
    if (claim.state === 'held') this.onLost(claim.lease, cause)
  }

  range(fence: string): FenceRange {
    const first = Number(fence)
    return { first, end: first + this.sessions.fencesAGrant }
  }

  private keyOf({ target }: LockTarget): Key {
    return this.keys.of(target)
  }

  private usableKey(file: LockTarget): Key {
    const { target, lockfile } = file
    if (this.closed) throw this.closedError(target)
    const key = this.keyOf(file)
    const last = this.latest.get(key.lock)
    if (last?.isWanted() !== true || last.key.name === target) return key
    const names = `${JSON.stringify(target)} and ${JSON.stringify(last.key.name)}`
    const message = `${names}, which is in use, have the same key ${key.lock} in the database: rename one of them`
    throw new LockError('ERR_LOCK_COLLISION', message, { path: target, lockfile })
  }

  private closedError(name: string): LockError {
    const { target: path, lockfile } = this.locate(name)
    return new LockError('ERR_LOCK_DATABASE', `Closed, and locks nothing more: ${name}`, { path, lockfile })
  }

  latestOn(lock: string): Claim | undefined {
    return this.latest.get(lock)
  }

  begin(key: Key, mode: Mode): Claim {
    const claim = new Claim(++this.lastLease, key, mode, this.latest.get(key.lock) ?? null)
    this.claims.set(claim.lease, claim)
    this.latest.set(key.lock, claim)
    this.pulse()
    return claim
  }

  private async seek(claim: Claim): Promise<void> {
    claim.seeking = true
    try {
      if (claim.before !== null && !this.mayFollow(claim.before)) await this.turnOf(claim)
      let pause = FIRST_PAUSE
      while (claim.isWanted()) {
        try {
          if ((await this.attempt(claim)) || (claim.isWanted() && (await this.room.wait(claim)))) break
        } catch (error) {
          if (!mayPass(error)) throw error
          await this.rest(claim, pause)
          pause = Math.min(pause * 2, LONGEST_PAUSE)
        }
      }
      this.granted(claim)
    } catch (error) {
      this.failed(claim, error)
    }
  }

  /** When those before it are done, or nobody wants it any more. */
  private async turnOf(claim: Claim): Promise<void> {
    while (claim.before !== null && claim.isWanted()) {
      await unlessEnded(claim, claim.before.done)
      claim.before = lastOf(claim.before)
    }
  }

  /** The holder lets go of that one before it asks for this one. */
  private mayFollow(before: Claim): boolean {
    return before.leaving !== null && before.leaving === this.desk.current?.session
  }

  private async rest(claim: Claim, pause: number): Promise<void> {
    if (!claim.isWanted()) return
    await new Promise<void>((resolve) => {
      const timer = this.sessions.clock.after(pause, resolve)
      claim.interrupt = () => {
        timer.cancel()
        resolve()
      }
    })
    claim.interrupt = null
  }

  /** One try in the holder session. True: the lock is there. */
  async attempt(claim: Claim): Promise<boolean> {
    // Without a word to the database, however long that takes to answer, for a claim that nobody wants any more.
    const holder = this.desk.current ?? (await unlessEnded(claim, this.desk.holder()))
    if (holder === null || !claim.isWanted()) return false
    const fence = await holder.attempt(claim.key, claim.mode, () => claim.isWanted())
    claim.before = lastOf(claim.before)
    if (fence === null) return false
    claim.fences = this.range(fence)
    claim.attach(holder.session)
    return true
  }

  private granted(claim: Claim): void {
    claim.seeking = false
    if (!claim.isWanted()) {
      void this.giveBack(claim)
      return
    }
    claim.state = 'granted'
    claim.limit = Math.min(claim.limit, this.sessions.clock.now() + claim.grace)
    this.onSettled(claim.lease)
  }

  private failed(claim: Claim, error: unknown): void {
    const wanted = claim.isWanted()
    const { target, lockfile } = this.locate(claim.key.name)
    claim.seeking = false
    if (wanted) claim.state = 'failed'
    claim.failure ??= databaseError(error, target, lockfile)
    this.finish(claim)
    if (wanted) this.onSettled(claim.lease)
  }

  /** Nobody wants it any more. */
  end(claim: Claim): void {
    claim.state = 'ended'
    this.claims.delete(claim.lease)
    if (claim.seeking) claim.interrupt?.()
    else void this.giveBack(claim)
  }

  private async giveBack(claim: Claim): Promise<void> {
    if (claim.moving !== null) await claim.moving
    if (this.room.has(claim)) await this.room.giveBack(claim)
    else if (claim.session?.over === false) {
      claim.leaving = claim.session
      await this.desk.current?.unlock(claim.key, claim.mode)
    }
    this.finish(claim)
  }

  private finish(claim: Claim): void {
    claim.finish()
    if (claim.state !== 'failed') this.claims.delete(claim.lease)
    if (this.latest.get(claim.key.lock) !== claim) return
    const last = lastOf(claim.before)
    if (last === null) this.latest.delete(claim.key.lock)
    else this.latest.set(claim.key.lock, last)
  }

  /** As long as anything is claimed. */
  private pulse(): void {
    this.timer ??= this.sessions.clock.background(this.heartbeat.every, () => {
      this.timer = null
      if (this.claims.size === 0) return
      this.missSessions().catch(() => {})
      this.pulse()
    })
  }

  /** A session that waits shows no signs of life, so another one asks for it. */
  private async missSessions(): Promise<void> {
    const { waiting } = this.room
    if (waiting.length === 0) return
    const rows = await (await this.holder()).query(statements.present(waiting.map(({ pid }) => pid)))
    for (const session of waiting) {
      const isThat = ({ pid, started }: Row): boolean =>
        Number(pid) === session.pid && (started ?? '') === session.started // nothing where this user may not see it
      const there = rows.some(isThat)
      if (!there) session.lose(new Error('the server does not know the session any more'))
    }
  }

  private async shutDown(): Promise<void> {
    for (const claim of [...this.claims.values()]) {
      if (claim.state !== 'asking') continue
      claim.state = 'failed'
      claim.failure = this.closedError(claim.key.name)
      claim.interrupt?.()
      this.onSettled(claim.lease)
    }
    while (this.latest.size > 0) await Promise.all([...this.latest.values()].map(({ done }) => done))
    this.timer?.cancel()
    await this.room.close()
    await this.desk.close()
  }
}
