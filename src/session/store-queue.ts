// Updates wait here, in order. All that wait when the lock is granted go to the file as one batch: one lock, one read, one
// replacement. While the lock is held nothing runs but the updates themselves and the engine's changes.
import { Place, underHold, type PlaceOptions } from '../door.js'
import { acquire, isLockError, type Owner } from '../index.js'
import { removeLeftovers } from './store-leftovers.js'
import type { StoreFile } from './store-file.js'
import type { StoreSettings } from './store-options.js'
import type { Draft, Update } from './store-text.js'

type Outcome = 'applied' | { readonly error: unknown }

class Waiting<T> {
  readonly update: Update<T>
  place: Place | null = null
  /** Of its last application. */
  outcome: Outcome | null = null
  private readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void

  constructor(update: Update<T>, resolve: (value: T) => void, reject: (error: unknown) => void) {
    this.update = update
    this.resolve = resolve
    this.reject = reject
  }

  apply(draft: Draft<T>): Draft<T> {
    try {
      const next = draft.apply(this.update)
      this.outcome = 'applied'
      return next
    } catch (error) {
      this.outcome = { error }
      return draft
    }
  }

  settle(written: Draft<T>): void {
    if (this.outcome === 'applied') this.resolve(written.frozen())
    else this.fail(null)
  }

  /** What it threw itself tells more. */
  fail(error: unknown): void {
    this.reject(this.outcome !== null && this.outcome !== 'applied' ? this.outcome.error : error)
  }
}

/**
 * Where one of a batch throws, each is given what the file has and gives it back, so this is what a batch parses and writes
 * as text at most, in characters: others wait for the lock, and the event loop for its turn.
 */
const MOST_TEXT = 16 * 2 ** 20

export class UpdateQueue<T> {
  private readonly settings: StoreSettings<T>
  private readonly file: StoreFile<T>
  /** Who holds the lock itself has a queue of its own, for it would wait for itself in that of all. */
  private readonly owner: Owner | undefined
  private readonly waiting = new Set<Waiting<T>>()
  /** Aborted when nobody waits any more. */
  private nobody = new AbortController()
  private serving = false
  private sweeping: Promise<void> = Promise.resolve()
  /** In characters, as far as is known. */
  private length = Infinity

  constructor(settings: StoreSettings<T>, file: StoreFile<T>, owner?: Owner) {
    this.settings = settings
    this.file = file
    this.owner = owner
  }

  /** Rejects as a lock's waiter does until the update is applied, and afterwards with what became of the write. */
  add(update: Update<T>, options: PlaceOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(update, resolve, reject)
      const position = (): number => [...this.waiting].indexOf(waiting) + 1
      waiting.place = new Place(this.settings.request, options, position, (error) => {
        waiting.reject(error)
        if (this.waiting.delete(waiting) && this.waiting.size === 0) this.nobody.abort()
      })
      this.waiting.add(waiting)
      if (!this.serving) void this.serve()
    })
  }

  /** Resolves when nothing goes on beside the updates. */
  swept(): Promise<void> {
    return this.sweeping
  }

  private async serve(): Promise<void> {
    const { path, maxHold, lockfile, label } = this.settings
    this.serving = true
    while (this.waiting.size > 0) {
      if (this.nobody.signal.aborted) this.nobody = new AbortController()
      const { signal } = this.nobody
      const batch: Waiting<T>[] = []
      let abandoned = ''
      try {
        const hold = await acquire(path, { timeout: Infinity, signal, owner: this.owner, maxHold, lockfile, label })
        if (hold.recoveredFrom !== null) abandoned = hold.path
        await underHold(hold, async (changes) => {
          this.take(batch) // an update that must not wait has not waited
          if (batch.length === 0) return
          const written = await this.file.update(changes, hold.path, (draft) => this.apply(batch, draft))
          for (const waiting of batch) waiting.settle(written)
        })
      } catch (error) {
        // Of the lock: for all, unless nobody waited for it any more, or it was lost between its grant and its use.
        const again = signal.aborted || isLockError(error, 'ERR_LOCK_LOST')
        if (batch.length === 0 && !again) this.take(batch, Infinity)
        for (const waiting of batch) waiting.fail(error)
      }
      if (abandoned !== '') this.sweeping = removeLeftovers(abandoned, { maxHold, lockfile, label })
    }
    this.serving = false
  }

  private apply(batch: Waiting<T>[], first: Draft<T>): { draft: Draft<T>; applied: number } {
    this.length = first.text.length
    this.take(batch)
    const draft = this.applyTogether(batch, first) ?? this.applyOneByOne(batch, first)
    return { draft, applied: batch.filter(({ outcome }) => outcome === 'applied').length }
  }

  /**
   * All of them on one value, read and written once. Null where one throws, for nobody knows what it has done to the value;
   * and where JSON would have changed the value on its way from one to the next.
   */
  private applyTogether(batch: Waiting<T>[], first: Draft<T>): Draft<T> | null {
    try {
      const draft = first.applyAll(batch.map(({ update }) => update))
      if (draft !== null) for (const waiting of batch) waiting.outcome = 'applied'
      return draft
    } catch {
      return null
    }
  }

  /** Each on a value of its own, so that one which throws rejects alone and leaves nothing behind. */
  private applyOneByOne(batch: Waiting<T>[], first: Draft<T>): Draft<T> {
    let draft = first
    for (const waiting of batch) draft = waiting.apply(draft)
    return draft
  }

  /** Their turn has come: from now on they hear of the write, and of nothing else. */
  private take(batch: Waiting<T>[], most = Math.max(1, Math.floor(MOST_TEXT / this.length))): void {
    for (const waiting of this.waiting) {
      if (batch.length >= most) return
      this.waiting.delete(waiting)
      waiting.place?.leave()
      batch.push(waiting)
    }
  }
}
