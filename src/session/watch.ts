// The values that a store has one after the other, whoever writes them. The system tells of what happens in the folder; now
// and then the file is looked at all the same, because not every filesystem tells, and no system tells everything.
import { Buffer } from 'node:buffer'

import { onAbort, type FileState } from '../door.js'
import { FolderWatch } from './folder-watch.js'
import { isMissingFile, isUnreadable, type Sight, type StoreFile } from './store-file.js'

/** Between two looks at a file of which nobody tells anything, in milliseconds. */
const POLL = 2000

export class Watch<T> implements AsyncIterableIterator<T> {
  private readonly values: AsyncGenerator<T, undefined>
  private readonly folder = new FolderWatch(() => this.stir('told'))
  private readonly signal: AbortSignal | undefined
  private readonly ended: (watch: Watch<T>) => void
  private over = false
  private unlisten: (() => void) | null = null
  /** Why to look next, if there is a reason. */
  private reason: 'told' | 'poll' | null = 'told'
  private wake: (() => void) | null = null

  /** `restore` reads a file that stays unreadable, or throws. `ended` is called once. */
  constructor(
    file: StoreFile<T>,
    restore: () => Promise<unknown>,
    signal: AbortSignal | undefined,
    ended: (watch: Watch<T>) => void,
  ) {
    this.values = this.follow(file, restore)
    this.signal = signal
    this.ended = ended
    if (signal?.aborted === false) this.unlisten = onAbort(signal, this.end)
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.signal?.aborted === true) this.end()
    return this.values.next()
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.end() // first: what waits for a change would keep this waiting too
    return this.values.return(undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Whatever waits for the next value is told that there is none. */
  readonly end = (): void => {
    if (this.over) return
    this.over = true
    this.unlisten?.()
    this.folder.close()
    this.ended(this)
    this.wake?.()
  }

  private async *follow(file: StoreFile<T>, restore: () => Promise<unknown>): AsyncGenerator<T, undefined> {
    let last: Sight | null = null
    let text: string | null = null
    let unreadable = false
    try {
      for (;;) {
        const reason = await this.stirred()
        if (this.over) return
        if (reason === 'poll' && last !== null && !unreadable && isSame(last, await file.look('state'))) continue
        const sight = await file.look('content')
        // Watched first and looked at then, nothing is missed between.
        if (this.folder.follow(sight.path)) this.stir('told')
        const same = last !== null && Buffer.compare(last.bytes, sight.bytes) === 0
        last = sight
        let value: T
        let next: string
        try {
          next = file.textOf(sight)
          value = file.parse(next)
        } catch (error) {
          if (isMissingFile(error)) continue
          if (!isUnreadable(error)) throw error
          // Somebody who does not replace the file may be in the middle of writing it.
          if (unreadable && same && reason === 'poll') await restore()
          unreadable = true
          continue
        }
        unreadable = false
        if (next === text || this.isOver()) continue
        text = next
        yield value
      }
    } finally {
      this.end()
    }
  }

  private isOver(): boolean {
    return this.over
  }

  private stir(reason: 'told' | 'poll'): void {
    this.reason ??= reason
    if (reason === 'told') this.reason = reason
    this.wake?.()
  }

  private async stirred(): Promise<'told' | 'poll' | null> {
    if (this.reason === null && !this.over) {
      const timer = setTimeout(() => this.stir('poll'), POLL)
      if (this.folder.watched) timer.unref() // which keeps the process alive by itself
      await new Promise<void>((resolve) => (this.wake = resolve))
      this.wake = null
      clearTimeout(timer)
    }
    const { reason } = this
    this.reason = null
    return reason
  }
}

function isSame(one: Sight, other: Sight): boolean {
  return one.path === other.path && nameOf(one.file) === nameOf(other.file) && one.file?.size === other.file?.size
}

function nameOf(file: FileState | null): string | undefined {
  return file?.name
}
