// Between the bytes of a store and its value. What cannot be read again is never written, and what cannot be read is told
// apart from what is missing.
import { Buffer, isUtf8 } from 'node:buffer'

import { invalidType } from '../errors.js'
import { encode } from './encode.js'
import { SessionError } from './errors.js'
import { whyNotJson } from './not-json.js'

export type Validate<T> = ((value: unknown) => value is T) | ((value: unknown) => unknown)
export type Initial<T> = T | (() => T)

/** Answers with what the store has from then on; undefined means the value that it was given, changed or not. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- functions that return nothing are declared so
export type Update<T> = (value: T) => T | void

interface Rules<T> {
  readonly initial: Initial<T> | undefined
  readonly validate: Validate<T> | undefined
  readonly indent: number | string | undefined
}

const BYTE_ORDER_MARK = '\uFEFF'

export class StoreText<T> {
  private readonly path: string
  private readonly rules: Rules<T>
  /** Of a value. One that a function makes is made anew each time. */
  private readonly ready: string | null

  /** Throws where `initial` could not be written. */
  constructor(path: string, rules: Rules<T>) {
    this.path = path
    this.rules = rules
    const { initial } = rules
    this.ready = initial === undefined || typeof initial === 'function' ? null : this.ofInitial(initial)
  }

  /** What a missing file stands for; null: nothing. */
  initial(): string | null {
    const { initial } = this.rules
    return initial instanceof Function ? this.ofInitial(initial()) : this.ready
  }

  /** Throws ERR_SESSION_UNREADABLE. */
  fromBytes(bytes: Uint8Array): string {
    if (!isUtf8(bytes)) throw this.unreadable('it is not UTF-8')
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
    return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
  }

  /** A value that is nobody else's. Throws ERR_SESSION_UNREADABLE. */
  parse(text: string): T {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (cause) {
      throw this.unreadable(whyNotJson(text, cause))
    }
    const refusal = this.refusalOf(value)
    if (refusal !== null) throw this.unreadable(refusal.why, refusal.cause)
    return value as T
  }

  /** Throws ERR_SESSION_VALUE where it could not be read again. */
  of(value: T): Draft<T> {
    return this.written('the value of an update', value)
  }

  private ofInitial(value: T): string {
    return this.written('options.initial', value).text
  }

  private written(name: string, value: unknown): Draft<T> {
    const { path, rules } = this
    const text = encode(path, name, value, rules.indent)
    if (rules.validate === undefined) return new Draft(this, text)
    // What will be read, not what was given: toJSON() and JSON's own rules come between.
    const again: unknown = JSON.parse(text)
    const refusal = this.refusalOf(again)
    if (refusal === null) return new Draft(this, text, { value: again as T })
    const message = `${name} cannot be written to ${path}: ${refusal.why}`
    throw new SessionError('ERR_SESSION_VALUE', message, { path, cause: refusal.cause })
  }

  allows(value: T): boolean {
    return this.rules.validate === undefined || this.refusalOf(value) === null
  }

  private refusalOf(value: unknown): { why: string; cause?: unknown } | null {
    let answer: unknown
    try {
      answer = this.rules.validate?.(value)
    } catch (cause) {
      return { why: `validate refuses it: ${cause instanceof Error ? cause.message : 'it threw'}`, cause }
    }
    refusePromise('what validate returns', answer)
    return answer === false ? { why: 'validate refuses it' } : null
  }

  private unreadable(why: string, cause?: unknown): SessionError {
    const { path } = this
    return new SessionError('ERR_SESSION_UNREADABLE', `${path} cannot be read: ${why}`, { path, cause })
  }
}

/** What a store is to have, before it has it. */
export class Draft<T> {
  /** Without the newline at its end, which would have every update copy the text before it is parsed. */
  private readonly json: string
  private readonly form: StoreText<T>
  /** The same, parsed, until somebody takes it. */
  private parsed: { readonly value: T } | null
  private seen: { readonly value: T } | null = null

  constructor(form: StoreText<T>, text: string, parsed: { readonly value: T } | null = null) {
    this.form = form
    this.json = text
    this.parsed = parsed
  }

  /** As the file has it. */
  get text(): string {
    return this.json.endsWith('\n') ? this.json : this.json + '\n'
  }

  /** The value, for everybody to look at and nobody to change. */
  frozen(): T {
    this.seen ??= { value: freeze(this.form.parse(this.text)) }
    return this.seen.value
  }

  /** A value that is nobody else's. */
  private take(): T {
    const { value } = this.parsed ?? { value: this.form.parse(this.json) }
    this.parsed = null
    return value
  }

  /** Throws where the update does, or where the outcome cannot be written. */
  apply(update: Update<T>): Draft<T> {
    return this.form.of(applied(update, this.take()))
  }

  /** One after the other, on one value. Null where one leaves what cannot be written, or would not be read as it is. */
  applyAll(updates: readonly Update<T>[]): Draft<T> | null {
    let value = this.take()
    for (const update of updates) {
      value = applied(update, value)
      if (!isPlain(value) || !this.form.allows(value)) return null
    }
    return this.form.of(value)
  }
}

function applied<T>(update: Update<T>, given: T): T {
  const returned = update(given)
  refusePromise('what an update returns', returned)
  return returned === undefined ? given : returned
}

/** Whether JSON gives back the very same. It is asked after every update, so it makes nothing on its way. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (Array.isArray(value)) {
    for (const part of value) if (!isPlain(part)) return false
    return true
  }
  if (!isPlainObject(value)) return false
  for (const name in value) if (!isPlain(value[name])) return false
  return true
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** All of it. What JSON gives has no circles. */
function freeze<V>(value: V): V {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}

/** Nothing waits for it, so nobody would hear of its end. */
function refusePromise(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || !('then' in value) || typeof value.then !== 'function') return
  Promise.resolve(value).catch(() => {})
  throw invalidType(name, 'a value, not a promise, for the lock is not kept for what takes time', value)
}
