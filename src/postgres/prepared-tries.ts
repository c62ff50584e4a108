// Tries that are answered before they are asked for: the seam's try is synchronous, and a database is not.
import type { Mode } from '../kernel/kernel.js'
import type { Claim } from './claim.js'
import type { Key } from './key.js'

/** Whoever keeps the claims. */
export interface Claims {
  /** The last one on that lock that is not done. */
  latestOn(lock: string): Claim | undefined
  begin(key: Key, mode: Mode): Claim
  /** One try in the holder session. True: the lock is there. */
  attempt(claim: Claim): Promise<boolean>
  /** Nobody wants it any more. */
  end(claim: Claim): void
}

interface Prepared {
  readonly claim: Claim
  /** Never rejects. */
  readonly answered: Promise<void>
}

export class PreparedTries {
  private readonly claims: Claims
  /** By the number of their lock. */
  private readonly prepared = new Map<string, Prepared>()

  constructor(claims: Claims) {
    this.claims = claims
  }

  /**
   * Asks for the lock. Answers what is to be discarded after the try; null where nothing was asked, for this process has the
   * lock or waits for it.
   */
  async prepare(key: Key, mode: Mode): Promise<Claim | null> {
    for (;;) {
      const last = this.claims.latestOn(key.lock)
      if (last === undefined) break
      const other = this.prepared.get(key.lock)
      if (other !== undefined) await other.answered
      else if (last.isWanted()) return null
      else await last.done
    }
    const claim = this.claims.begin(key, mode)
    const answered = this.answer(claim)
    this.prepared.set(key.lock, { claim, answered: answered.catch(() => {}) })
    await answered
    return claim
  }

  /** What was prepared for a try that is made now; null where the lock could not be had. */
  take({ lock }: Key, mode: Mode): Claim | null {
    const claim = this.prepared.get(lock)?.claim
    if (claim?.state !== 'granted' || claim.mode !== mode || claim.session?.alive !== true) return null
    this.prepared.delete(lock)
    return claim
  }

  /** What was not taken is given back; resolves when it is. */
  async discard(claim: Claim | null): Promise<void> {
    if (claim === null || claim.state === 'held') return
    this.forget(claim)
    this.claims.end(claim)
    await claim.done
  }

  /** Afterwards it is granted or ended. */
  private async answer(claim: Claim): Promise<void> {
    claim.seeking = true
    try {
      if ((await this.claims.attempt(claim)) && claim.isWanted()) claim.state = 'granted'
    } finally {
      claim.seeking = false
      if (claim.state !== 'granted') {
        this.forget(claim)
        this.claims.end(claim)
      }
    }
  }

  private forget(claim: Claim): void {
    if (this.prepared.get(claim.key.lock)?.claim === claim) this.prepared.delete(claim.key.lock)
  }
}
