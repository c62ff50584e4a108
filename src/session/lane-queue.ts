// What waits to be appended, and the loop that takes it: one acquire and one batch at a time. While a batch is on its way
// the next one gathers, so one line is not delayed, and many share the price of one lock and one sync.
//
// Where the lock is free, it is taken and the write is on its way in one step: no turn of the event loop comes between, for
// the loop may be blocked in the next moment, and others would wait for a lock that does nothing.
import { Place, underHold, type Changes, type PlaceOptions, type Request } from '../door.js'
import { acquire, isLockError, tryAcquire, type Hold, type Owner } from '../index.js'
import type { Entry, Writer } from './writer.js'

export interface QueueOptions {
  /** The most that goes out as one batch, unless a single append is longer. */
  readonly batchBytes: number
  readonly maxHold: number
  readonly lockfile: string | undefined
  readonly label: string
}

class QueuedEntry implements Entry {
  readonly text: string
  readonly size: number
  readonly lines: number
  readonly expect: string | undefined
  readonly work: Work | undefined
  place: Place | null = null
  private settled = false
  private readonly onSettled: (entry: QueuedEntry) => void
  private readonly resolvePromise: (version: string) => void
  private readonly rejectPromise: (error: unknown) => void

  constructor(
    { text, size, lines, expect, work }: Append,
    onSettled: (entry: QueuedEntry) => void,
    resolve: (version: string) => void,
    reject: (error: unknown) => void,
  ) {
    this.text = text
    this.size = size
    this.lines = lines
    this.expect = expect
    this.work = work
    this.onSettled = onSettled
    this.resolvePromise = resolve
    this.rejectPromise = reject
  }

  resolve(version: string): void {
    if (this.settle()) this.resolvePromise(version)
  }

  reject(error: unknown): void {
    if (this.settle()) this.rejectPromise(error)
  }

  private settle(): boolean {
    if (this.settled) return false
    this.settled = true
    this.place?.leave()
    this.onSettled(this)
    return true
  }
}

export type Work = (changes: Changes, path: string) => Promise<void>

export interface Append extends PlaceOptions {
  /** Whole lines, and how many. */
  readonly text: string
  readonly lines: number
  /** In bytes. */
  readonly size: number
  readonly expect: string | undefined
  /** Something else than lines, which is done when its turn comes, under the lock. */
  readonly work?: Work
}

export class LaneQueue {
  /** Not settled. */
  entries = 0
  lines = 0
  bytes = 0
  private readonly path: string
  private readonly request: Request
  private readonly options: QueueOptions
  private readonly writer: Writer
  /** Who holds the lock itself has a line of its own, for it would wait for itself in that of all. */
  private readonly owner: Owner | undefined
  private readonly waiting = new Set<QueuedEntry>()
  /** Aborted when nobody waits any more. */
  private nobody = new AbortController()
  private serving = false
  private onChange: () => void

  constructor(
    path: string,
    request: Request,
    options: QueueOptions,
    writer: Writer,
    owner: Owner | undefined,
    onChange: () => void,
  ) {
    this.path = path
    this.request = request
    this.options = options
    this.writer = writer
    this.owner = owner
    this.onChange = onChange
  }

  add(append: Append): Promise<string> {
    return new Promise((resolve, reject) => {
      const entry = new QueuedEntry(append, this.settled, resolve, reject)
      entry.place = new Place(
        this.request,
        append,
        () => [...this.waiting].indexOf(entry) + 1,
        (error) => entry.reject(error),
      )
      this.waiting.add(entry)
      this.entries++
      this.lines += entry.lines
      this.bytes += entry.size
      if (!this.serving) void this.serve()
    })
  }

  private readonly settled = (entry: QueuedEntry): void => {
    this.entries--
    this.lines -= entry.lines
    this.bytes -= entry.size
    if (this.waiting.delete(entry) && this.waiting.size === 0) this.nobody.abort()
    this.onChange()
  }

  private async serve(): Promise<void> {
    this.serving = true
    while (this.waiting.size > 0) {
      if (this.nobody.signal.aborted) this.nobody = new AbortController()
      let batch: QueuedEntry[] = []
      try {
        const hold = this.holdNow() ?? (await this.holdLater())
        const abandoned = hold.recoveredFrom !== null
        await underHold(hold, async (changes) => {
          batch = this.take()
          const [first] = batch
          if (first?.work === undefined) return this.writer.write(changes, hold.path, batch, abandoned)
          await first.work(changes, hold.path)
          first.resolve('')
        })
        // Lanes that append again as soon as they are told of their last line shall be in the next batch together.
        if (batch.length > 1) await turnOfTheLoop()
      } catch (error) {
        // Of a write: of those who were in it. Of the lock: of all, unless nobody waited for it any more, or it was lost
        // between its grant and its use.
        const again = this.nobody.signal.aborted || isLockError(error, 'ERR_LOCK_LOST')
        const refused = batch.length > 0 || again ? batch : [...this.waiting]
        for (const entry of refused) entry.reject(error)
      }
    }
    this.serving = false
  }

  /** Null where somebody else holds the lock, or waits for it; and where a look at it may take long. */
  private holdNow(): Hold | null {
    const { maxHold, lockfile, label } = this.options
    return this.request.file.unfollowed ? null : tryAcquire(this.path, { owner: this.owner, maxHold, lockfile, label })
  }

  private holdLater(): Promise<Hold> {
    const { maxHold, lockfile, label } = this.options
    const { signal } = this.nobody
    return acquire(this.path, { timeout: Infinity, signal, owner: this.owner, maxHold, lockfile, label })
  }

  /** Work is a batch of its own. Their turn has come: from now on they hear of the write, and of nothing else. */
  private take(): QueuedEntry[] {
    const batch: QueuedEntry[] = []
    let size = 0
    for (const entry of this.waiting) {
      const alone = entry.work !== undefined
      if (batch.length > 0 && (alone || size + entry.size > this.options.batchBytes)) break
      batch.push(entry)
      size += entry.size
      if (alone) break
    }
    for (const entry of batch) {
      this.waiting.delete(entry)
      entry.place?.leave()
    }
    return batch
  }
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
