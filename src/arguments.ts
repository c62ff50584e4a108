// Checks of single arguments. Every refusal names what was wrong and what was expected.
import { fileURLToPath } from 'node:url'

import { invalidType, invalidValue, outOfRange } from './errors.js'

export function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidType(name, 'a string', value)
  return value
}

export function boolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value)
  return value
}

/** Zero is a time-out: one try. */
export function timeout(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number of milliseconds', value)
  if (!(value >= 0)) throw outOfRange(name, '0 or more milliseconds', value)
  return value
}

/** A length of time in which something may be done. */
export function duration(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number of milliseconds', value)
  if (!(value > 0)) throw outOfRange(name, 'more than 0 milliseconds', value)
  return value
}

/** By shape, as Node does: a signal may come from another realm. */
export function signal(name: string, value: unknown): AbortSignal {
  if (!isAbortSignal(value)) throw invalidType(name, 'an AbortSignal', value)
  return value
}

export function path(name: string, value: unknown): string {
  const text = value instanceof URL ? fileUrlText(name, value) : value
  if (typeof text !== 'string') throw invalidType(name, 'a string or a file URL', value)
  if (text === '') throw invalidValue(name, 'a path that is not empty', text)
  if (text.includes('\0')) throw invalidValue(name, 'a path without null bytes', text)
  return text
}

/** The own properties of `options`, each of which must be one of `allowed`. */
export function entries<Name extends string>(options: unknown, allowed: readonly Name[]): [Name, unknown][] {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidType('options', 'an object', options)
  }
  const found: [Name, unknown][] = []
  for (const [name, value] of Object.entries(options)) {
    const known = allowed.find((option) => option === name)
    if (known === undefined) throw invalidValue('options', `made of ${allowed.join(', ')}`, name)
    if (value !== undefined) found.push([known, value])
  }
  return found
}

function isAbortSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
}

function fileUrlText(name: string, url: URL): string {
  try {
    return fileURLToPath(url)
  } catch {
    throw invalidValue(name, 'a string or a file URL', url.href)
  }
}
