// A JSON file that many lanes and several processes change: read, changed and replaced as a whole, under its lock. The lock
// is held for that, and never for what a caller does with the value.
import { invalidType } from '../errors.js'
import type { Owner } from '../index.js'
import { SessionError } from './errors.js'
import { isMissingFile, isUnreadable, StoreFile } from './store-file.js'
import {
  storeSettings,
  updateJsonSettings,
  watchOptions,
  type StoreOptions,
  type StoreSettings,
  type UpdateJsonOptions,
  type WatchOptions,
} from './store-options.js'
import { UpdateQueue } from './store-queue.js'
import type { Update } from './store-text.js'
import { waitOptions, type WaitOptions } from './transcript-options.js'
import { Watch } from './watch.js'

export type { StoreEvent } from './store-events.js'
export type { StoreOptions, UpdateJsonOptions, WatchOptions } from './store-options.js'
export type { Initial, Update, Validate } from './store-text.js'

export class Store<T> implements AsyncDisposable {
  readonly #settings: StoreSettings<T>
  readonly #file: StoreFile<T>
  readonly #queue: UpdateQueue<T>
  readonly #owners = new WeakMap<Owner, UpdateQueue<T>>()
  readonly #pending = new Set<Promise<unknown>>()
  readonly #watches = new Set<Watch<T>>()
  #closed: Promise<void> | null = null

  /** @internal Stores come from openStore(). */
  constructor(settings: StoreSettings<T>) {
    this.#settings = settings
    this.#file = new StoreFile(settings)
    this.#queue = new UpdateQueue(settings, this.#file)
  }

  /** Absolute; links are followed each time anew. */
  get path(): string {
    return this.#settings.path
  }

  /**
   * What the file has now, or what stands for a missing one. Needs no lock and waits for none: what others are writing is
   * there as a whole or not at all. The value is the caller's own.
   */
  async read(): Promise<T> {
    this.#refuseIfClosed()
    try {
      return this.#file.parse(this.#file.textOf(await this.#file.look('content')))
    } catch (error) {
      if (!this.#settings.anew || !isUnreadable(error)) throw error
    }
    return this.update((value) => value)
  }

  /**
   * Changes the value, under the lock: `fn` is given what the file has, and answers with what it is to have. If it answers
   * with undefined, that is the value it was given, which it may have changed.
   *
   * Resolves when the change is on the device (unless `durability` is `'none'`), to the value that the file has then, which
   * is frozen: updates of one store are applied in order, but that an owner who holds the lock goes ahead, and those that
   * wait go out together. One that throws rejects with what it threw, and leaves no trace; so does one whose value JSON cannot
   * carry. `fn` must not return a promise, or take its time: the lock is held meanwhile. It is called again if another one
   * that goes out with it fails, or somebody who does not keep the lock has changed the file meanwhile.
   */
  async update(fn: Update<T>, options?: WaitOptions): Promise<T> {
    if (typeof fn !== 'function') throw invalidType('fn', 'a function', fn)
    const place = waitOptions(options)
    this.#refuseIfClosed()
    const updated = this.#queueOf(place.owner).add(fn, place)
    this.#pending.add(updated)
    try {
      return await updated
    } finally {
      this.#pending.delete(updated)
    }
  }

  /**
   * The value now, and then every time the file has another content, whoever has written it. Of changes that follow each
   * other fast only the last may be seen. Ends when `signal` aborts or the store is closed. While the file is missing and
   * nothing stands for it, there is no value; one that stays unreadable ends it with an error.
   */
  watch(options?: WatchOptions): AsyncIterableIterator<T> {
    const { signal } = watchOptions(options)
    this.#refuseIfClosed()
    const restore = (): Promise<T> => this.read()
    const watch = new Watch(this.#file, restore, signal, (ended) => this.#watches.delete(ended))
    this.#watches.add(watch)
    return watch
  }

  /** Takes nothing more, ends what watches it, and resolves when every update has been settled. */
  close(): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#pending).then(() => this.#queue.swept())
    for (const watch of this.#watches) watch.end()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Who holds a lock may hold this one, or wait for it in a circle: it asks by itself. */
  #queueOf(owner: Owner | undefined): UpdateQueue<T> {
    if (owner === undefined || owner.holds.length === 0) return this.#queue
    const own = this.#owners.get(owner) ?? new UpdateQueue(this.#settings, this.#file, owner)
    this.#owners.set(owner, own)
    return own
  }

  #refuseIfClosed(): void {
    if (this.#closed === null) return
    const { path } = this
    throw new SessionError('ERR_SESSION_CLOSED', `The store is closed: ${path}`, { path })
  }
}

/**
 * Opens a store: a JSON file that is changed by update() and by nobody else, in any number of lanes and processes. The file
 * need not exist. One that cannot be read is refused, and left as it is, unless `onUnreadable` says otherwise.
 */
export async function openStore<T>(file: string | URL, options?: StoreOptions<T>): Promise<Store<T>> {
  const store = new Store(storeSettings<T>(file, options))
  try {
    await store.read()
  } catch (error) {
    if (!isMissingFile(error)) throw error
  }
  return store
}

/** One update of a file that is not kept open: see openStore() and update(). */
export async function updateJson<T>(file: string | URL, fn: Update<T>, options?: UpdateJsonOptions<T>): Promise<T> {
  const { store, wait } = updateJsonSettings<T>(file, options)
  return new Store(store).update(fn, wait)
}
