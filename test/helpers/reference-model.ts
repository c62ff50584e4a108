// What may happen, said once more and in other words than src/: a set of wishes, a set of claims, and what they allow.
//
// It decides nothing. It is told of each call before it is made, and of each answer at the moment at which it is given,
// and it judges whether that answer was legal. What was not is kept in `violations`.
import type { LostReason } from '../../src/errors.js'
import type { Mode } from '../../src/kernel/kernel.js'

/** One request. */
export interface Wish {
  readonly id: string
  readonly thread: object
  /** Null where it is its own owner. */
  readonly owner: string | null
  readonly mode: Mode
  readonly path: string
  readonly asked: number
  readonly timeout: number
  readonly maxHold: number
  /** Requests that were being made when this one was made, by a listener of a hold that ended on their way. */
  readonly during?: ReadonlySet<string>
  /** Why it must be rejected, once it must. */
  doomed: 'aborted' | 'owner-closed' | null
}

/** One hold, until nothing is left of it. */
export interface Claim extends Wish {
  readonly inode: object
  /** How the system holds the lock for it: whoever re-enters shares the lock of the hold that lets it in. */
  readonly lock: Mode
  deadline: number
  guards: number
  /** Why it ended, by whatever came first. */
  ended: LostReason | null
  /** Its end was told. */
  told: boolean
  /** Somebody has looked since its deadline: nothing may be left of it. */
  swept: boolean
}

export interface Surroundings {
  now(): number
  inodeOf(path: string): object | undefined
  /** Whether the system would grant it now. */
  available(path: string, mode: Mode): boolean
}

export class ReferenceModel {
  readonly violations: string[] = []
  readonly wishes = new Map<string, Wish>()
  readonly claims = new Map<string, Claim>()
  /** How often each thing was seen: a property that never met it has not tested it. */
  readonly seen = new Map<string, number>()
  private readonly world: Surroundings
  private readonly merged = new Map<string, string>()
  private readonly replaced = new Set<string>()

  constructor(world: Surroundings) {
    this.world = world
  }

  // What is asked.

  ask(wish: Wish): void {
    this.wishes.set(wish.id, wish)
  }

  /** Both paths are, or were, names of one file. */
  merge(path: string, other: string): void {
    this.merged.set(this.group(path), this.group(other))
  }

  /** From now on the path names another file. */
  replace(path: string): void {
    this.replaced.add(path)
  }

  doom(wish: Wish, reason: 'aborted' | 'owner-closed'): void {
    wish.doomed ??= reason
  }

  closeOwner(owner: string): void {
    for (const wish of this.wishes.values()) if (wish.owner === owner) this.doom(wish, 'owner-closed')
    for (const claim of this.claims.values()) if (claim.owner === owner) this.end(claim, 'owner-closed')
  }

  /** Only the first ending counts, and the deadline is one. */
  end(claim: Claim, reason: LostReason): void {
    if (claim.ended !== null) return
    if (claim.guards > 0) this.note('ended in a guard')
    claim.ended = this.overdue(claim) ? 'max-hold' : reason
  }

  /** Somebody looks at it: past its deadline it ends now. */
  touch(claim: Claim): void {
    if (this.overdue(claim)) this.end(claim, 'max-hold')
  }

  extend(claim: Claim, milliseconds: number): boolean {
    this.touch(claim)
    if (!this.held(claim)) return false
    claim.deadline = this.world.now() + milliseconds
    return true
  }

  enterGuard(claim: Claim): boolean {
    this.touch(claim)
    if (!this.held(claim)) return false
    claim.guards++
    return true
  }

  exitGuard(claim: Claim): void {
    claim.guards--
    if (claim.guards > 0) return
    if (this.overdue(claim) && claim.ended === null) this.note('ended by its last guard')
    this.touch(claim)
  }

  /** The watchdog has looked: it ends what is past its deadline, unless the same lock is kept by another claim. */
  sweep(): void {
    const claims = [...this.claims.values()]
    for (const claim of claims) {
      const beside = claims.filter(({ thread, inode }) => thread === claim.thread && inode === claim.inode)
      if (!beside.some((other) => this.keeps(other))) claim.swept ||= this.overdue(claim)
    }
  }

  /** The event loop has turned, and had known their deadlines before: what is past its deadline has been told of. */
  checkTimers(known: readonly Claim[]): void {
    for (const claim of known) {
      if (!this.claims.has(claim.id) || !this.overdue(claim) || claim.told) continue
      this.violate(`P6: ${claim.id} is past its deadline, and nobody was told`)
    }
  }

  /** The thread is no more. */
  forget(thread: object): void {
    for (const [id, wish] of this.wishes) if (wish.thread === thread) this.wishes.delete(id)
    for (const [id, claim] of this.claims) if (claim.thread === thread) this.claims.delete(id)
  }

  // What is answered.

  granted(id: string): void {
    const wish = this.wishes.get(id)
    if (wish === undefined) {
      this.violate(`${id} was granted after it had been answered`)
      return
    }
    this.wishes.delete(id)
    const inode = this.world.inodeOf(wish.path)
    if (inode === undefined) {
      this.violate(`${id} was granted a file that ${wish.path} does not name`)
      return
    }
    if (wish.doomed !== null) this.violate(`${id} was granted although it was ${wish.doomed}`)
    const there = [...this.claims.values()].filter((claim) => claim.inode === inode && this.keeps(claim))
    const enters = there.some((claim) => same(claim, wish) && this.held(claim))
    for (const claim of there) {
      if (claim.mode === 'shared' && wish.mode === 'shared') continue
      if (enters && same(claim, wish)) continue
      this.violate(`P1: ${id} (${wish.mode}) was granted beside ${claim.id} (${claim.mode}) on ${wish.path}`)
    }
    this.note(enters ? 're-entered' : there.length > 0 ? 'shared' : 'granted')
    if (!enters) this.judgeOrder(wish)
    const deadline = this.world.now() + wish.maxHold
    const lock = enters && there.some((claim) => claim.lock === 'exclusive') ? 'exclusive' : wish.mode
    this.claims.set(id, { ...wish, inode, lock, deadline, guards: 0, ended: null, told: false, swept: false })
  }

  refused(id: string, code: string): void {
    const wish = this.wishes.get(id)
    if (wish === undefined) {
      this.violate(`${id} was rejected after it had been answered`)
      return
    }
    this.wishes.delete(id)
    this.note(code)
    if (code === 'ERR_LOCK_TIMEOUT') {
      if (this.world.now() < wish.asked + wish.timeout) this.violate(`${id} timed out too early`)
      const near = [...this.wishes.values(), ...this.remaining()].filter((other) => other.thread === wish.thread)
      if (near.some((other) => this.related(other, wish))) return
      if (this.world.available(wish.path, wish.mode)) this.violate(`${id} timed out although ${wish.path} was free`)
    } else if (code === 'aborted' || code === 'ERR_LOCK_OWNER_CLOSED') {
      if (wish.doomed === null) this.violate(`${id} was rejected as ${code} for no reason`)
    } else if (code !== 'ERR_LOCK_DEADLOCK') {
      this.violate(`${id} was rejected with ${code}`)
    }
  }

  /** A circle that a request was refused for: each step waits for something of the next one's owner. */
  refusedCircle(wish: Wish, cycle: readonly { readonly owner: string; readonly path: string }[]): void {
    // Of several holds that end in one call, some may not have ended yet.
    const claims = [...this.claims.values()].filter((claim) => this.keeps(claim) || this.lingers(claim) || !claim.told)
    const things = [wish, ...this.wishes.values(), ...claims].filter(({ thread }) => thread === wish.thread)
    for (const [index, { owner, path }] of cycle.entries()) {
      const next = cycle[(index + 1) % cycle.length]?.owner
      const step = `${owner} for ${path} of ${next} in the circle of ${wish.id}`
      if (![wish, ...this.wishes.values()].some((other) => other.owner === owner && other.path === path)) {
        this.violate(`nobody waits: ${step}`)
      }
      const group = this.group(path)
      if (!things.some((other) => other.owner === next && this.group(other.path) === group && other !== wish)) {
        this.violate(`nothing to wait for: ${step}`)
      }
    }
  }

  /** An event told of the end of a hold. */
  toldOf(id: string, reason: LostReason): void {
    const claim = this.claims.get(id)
    if (claim === undefined) return
    if (claim.told) this.violate(`P6: the end of ${id} was told twice`)
    this.touch(claim)
    if (claim.ended !== reason) this.violate(`P6: ${id} was told to end by ${reason}, not by ${claim.ended}`)
    claim.told = true
    this.note(reason)
  }

  // What is true.

  overdue(claim: Claim): boolean {
    return this.world.now() >= claim.deadline
  }

  held(claim: Claim): boolean {
    return claim.ended === null && !this.overdue(claim)
  }

  /** Nobody else may have the lock. */
  keeps(claim: Claim): boolean {
    return this.held(claim) || claim.guards > 0
  }

  /** The kernel may still have a lock for it: it is past its deadline, and nobody has looked. */
  lingers(claim: Claim): boolean {
    return claim.ended === null && this.overdue(claim) && !claim.swept
  }

  remaining(): Claim[] {
    return [...this.claims.values()].filter((claim) => this.keeps(claim) || this.lingers(claim))
  }

  related(a: { readonly path: string }, b: { readonly path: string }): boolean {
    return this.group(a.path) === this.group(b.path)
  }

  // What must be true between two calls.

  /** Nobody waits who must not, and no owners wait for each other. */
  checkWaits(): void {
    this.checkDoomed()
    this.checkCircles()
  }

  /** Nobody waits who must not. */
  checkDoomed(): void {
    for (const { id, doomed, timeout } of this.wishes.values()) {
      if (doomed !== null && timeout > 0) this.violate(`P5: ${id} waits although it was ${doomed}`)
    }
  }

  private checkCircles(): void {
    const edges = new Map<string, Set<string>>()
    for (const wish of this.wishes.values()) {
      if (wish.owner === null || this.replaced.has(wish.path)) continue
      for (const other of this.claims.values()) {
        if (!this.held(other) || other.inode !== this.world.inodeOf(wish.path) || other.owner === null) continue
        if (other.thread !== wish.thread || other.owner === wish.owner) continue
        if (wish.mode === 'shared' && other.lock === 'shared') continue
        edges.set(wish.owner, (edges.get(wish.owner) ?? new Set()).add(other.owner))
      }
    }
    const reaches = (from: string, to: string, seen: Set<string>): boolean => {
      for (const next of edges.get(from) ?? []) {
        if (next === to) return true
        if (seen.has(next)) continue
        if (reaches(next, to, seen.add(next))) return true
      }
      return false
    }
    for (const owner of edges.keys()) {
      if (reaches(owner, owner, new Set())) this.violate(`${owner} is in a deadlock that nobody noticed`)
    }
  }

  /** At rest: whoever waits does so for something, and somebody of those who wait for each other for a claim. */
  checkProgress(): void {
    for (const wish of this.wishes.values()) {
      const group = [...this.wishes.values()].filter((other) => this.related(other, wish))
      const claims = this.remaining().filter((claim) => this.related(claim, wish))
      const behind = group.some((other) => {
        return other !== wish && other.thread === wish.thread && !bothShared(other, wish)
      })
      if (!behind && !claims.some((claim) => this.excludes(claim, wish))) this.violate(`${wish.id} waits for nothing`)
      if (claims.some((claim) => group.some((other) => this.excludes(claim, other)))) continue
      this.violate(`nobody of ${group.map(({ id }) => id).join(', ')} is served`)
    }
  }

  violate(what: string): void {
    this.violations.push(what)
  }

  note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }

  /** What only a guard keeps, past its deadline, cannot be shared any more: the lock goes with the last guard. */
  private excludes(claim: Claim, wish: Wish): boolean {
    const shared = claim.lock === 'shared' && wish.mode === 'shared'
    return !shared || (claim.thread === wish.thread && !this.held(claim))
  }

  /** Those of one thread and path are served as they came; where a path changed its file, they may be in two lines. */
  private judgeOrder(wish: Wish): void {
    if ([...this.replaced].some((path) => this.related({ path }, wish))) return
    for (const other of this.wishes.values()) {
      if (other.thread !== wish.thread || other.path !== wish.path || Number(other.id) > Number(wish.id)) continue
      if (other.doomed !== null || other.timeout === 0) continue
      if (this.world.now() >= other.asked + other.timeout || wish.during?.has(other.id) === true) continue
      this.violate(`${wish.id} overtook ${other.id} on ${wish.path}`)
    }
  }

  private group(path: string): string {
    let root = path
    for (let next = this.merged.get(root); next !== undefined && next !== root; next = this.merged.get(root))
      root = next
    return root
  }
}

function same(a: Wish, b: Wish): boolean {
  return a.owner !== null && a.owner === b.owner && a.thread === b.thread
}

function bothShared(a: Wish, b: Wish): boolean {
  return a.mode === 'shared' && b.mode === 'shared'
}
