// The file of a store. It is read in one piece and replaced as a whole, so whoever reads it, with the lock or without, sees
// one version or the next, and a process that dies leaves one or the other.
//
// Not guaranteed: that a file with several names (hard links) stays one file. The name that the store was opened with gets the
// new content, every other one keeps the old. And what somebody changes in the file itself without the lock, in the moment of
// an update and without another size, is replaced with the rest.
import { Buffer } from 'node:buffer'
import { realpath } from 'node:fs/promises'
import { getSystemErrorMap } from 'node:util'

import { change, SystemError, systemErrorOf, type Changes, type FileState, type Report } from '../door.js'
import { SessionError } from './errors.js'
import { tellStore } from './store-events.js'
import { newFileFor } from './new-file.js'
import type { StoreSettings } from './store-options.js'
import { Draft } from './store-text.js'
import { saveAside } from './aside.js'

/** What updates make of a draft; how many succeeded. Called again where somebody who does not keep the lock was faster. */
export type Apply<T> = (draft: Draft<T>) => { readonly draft: Draft<T>; readonly applied: number }

/** What there was at one time. */
export interface Sight {
  /** Where the file is, or would be, links followed. */
  readonly path: string
  /** Null where there is none. */
  readonly file: FileState | null
  readonly bytes: Uint8Array
}

/** More than any file has, and the engine's numbers can say. */
const EVERYTHING = Number.MAX_SAFE_INTEGER

const MOST_TRIES = 16

export class StoreFile<T> {
  private readonly settings: StoreSettings<T>
  /** The file that is known to be on the device, as it is. */
  private synced: FileState | null = null

  constructor(settings: StoreSettings<T>) {
    this.settings = settings
  }

  /** Without the lock. A look at the `state` alone reads nothing. */
  async look(what: 'content' | 'state'): Promise<Sight> {
    let { path } = this.settings
    let report = await this.lookAt(path, what)
    if (report.failure?.code === 'ELOOP') {
      // The engine follows no links, for whoever has the lock knows where they lead.
      try {
        path = await realpath(path)
      } catch (cause) {
        if (!hasNoFile(cause)) throw this.failed('read', systemErrorOf(cause, path))
        return { path, file: null, bytes: new Uint8Array(0) }
      }
      report = await this.lookAt(path, what)
    }
    if (report.failure !== null) throw this.failed('read', report.failure)
    return { path, file: report.before, bytes: report.seen }
  }

  /** Throws where the file cannot be read, or is missing and nothing stands for it. */
  textOf({ file, bytes }: Pick<Sight, 'file' | 'bytes'>): string {
    if (file !== null) return this.settings.text.fromBytes(bytes)
    const initial = this.settings.text.initial()
    if (initial === null) throw this.failed('read', this.noFile())
    return initial
  }

  /** A value of one's own. Throws where the text is none of a store. */
  parse(text: string): T {
    return this.settings.text.parse(text)
  }

  /**
   * Under the lock of `path`: reads, applies, and replaces if that made a difference. Answers with what the file has then.
   * The lock ends with the replacement.
   * Whatever was done is on the device then, if that was asked for, even where nothing was left to do.
   */
  async update(changes: Changes, path: string, apply: Apply<T>): Promise<Draft<T>> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const found = await changes.make({ task: 'look', path, most: EVERYTHING })
      if (found.failure !== null) throw this.failed('read', found.failure)
      const first = await this.firstDraft(changes, path, found)
      const { draft, applied } = apply(first.draft)
      if (applied === 0 && !first.anew) return draft
      if (draft.text === first.text && this.isSafe(found.before)) return draft
      const report = await this.replace(changes, path, found.before, draft.text)
      if (report.came === 'done') {
        this.synced = this.settings.synced ? report.after : null
        return draft
      }
      if (report.came !== 'differs') throw this.failed('replaced', report.failure, report.after !== null)
    }
    const message = `${path} is written again and again by somebody who does not keep its lock`
    throw new SessionError('ERR_SESSION_CONFLICT', message, { path })
  }

  /** What updates begin with. `text` is what the file has; null: it must be written in any case. */
  private async firstDraft(
    changes: Changes,
    path: string,
    found: Report,
  ): Promise<{ draft: Draft<T>; text: string | null; anew: boolean }> {
    const { text: form, anew } = this.settings
    const sight = { file: found.before, bytes: found.seen }
    try {
      const text = this.textOf(sight)
      const draft = new Draft(form, text, { value: form.parse(text) })
      return { draft, text: found.before === null ? null : text, anew: false }
    } catch (cause) {
      if (!anew || !isUnreadable(cause)) throw cause
      const aside = await saveAside(changes, path, 'corrupt', found.seen)
      tellStore({ kind: 'unreadable', path, bytes: found.seen.length, aside, cause })
    }
    return { draft: new Draft(form, this.textOf({ ...sight, file: null })), text: null, anew: true }
  }

  private replace(changes: Changes, path: string, known: FileState | null, text: string): Promise<Report> {
    const { mode, synced } = this.settings
    const bytes = Buffer.from(text)
    const other = newFileFor(path, 'tmp')
    const expected = known === null ? 'absent' : 'exact'
    return changes.make({ task: 'replace', path, other, bytes, expected, known, synced, mode }, true)
  }

  private isSafe(file: FileState | null): boolean {
    if (!this.settings.synced) return true
    return file !== null && file.name === this.synced?.name && file.size === this.synced.size
  }

  private lookAt(path: string, what: 'content' | 'state'): Promise<Report> {
    return change({ task: 'look', path, most: what === 'content' ? EVERYTHING : 0 })
  }

  private failed(what: 'read' | 'replaced', cause: unknown, done = false): SessionError {
    const { path } = this.settings
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const message = done ? `${path} was replaced, but perhaps not for good${why}` : `${path} cannot be ${what}${why}`
    return new SessionError('ERR_SESSION_SYSTEM', message, { path, undone: !done, cause })
  }

  private noFile(): SystemError {
    for (const [number, [code]] of getSystemErrorMap()) {
      if (code === 'ENOENT') return new SystemError(number, 'open', this.settings.path)
    }
    throw new Error('every system has ENOENT')
  }
}

export function isUnreadable(error: unknown): boolean {
  return error instanceof SessionError && error.code === 'ERR_SESSION_UNREADABLE'
}

/** There is no file, and nothing stands for it. */
export function isMissingFile(error: unknown): boolean {
  return error instanceof SessionError && hasNoFile(error.cause)
}

function hasNoFile(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
