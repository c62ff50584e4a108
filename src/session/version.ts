// A version says which file it was, how long, and what its last bytes were, taken at a moment when nobody who keeps the
// lock was writing. Times of change take no part: they are too coarse, and anybody can set them.
import { crc32 } from 'node:zlib'

import type { FileState } from '../door.js'
import { invalidValue } from '../errors.js'

/** Of the end of the file. */
export const TAIL_SIZE = 4096

/** Where there is no file. */
export const NO_FILE = 'none'

export interface Version {
  /** The identity and the time of birth of the file. */
  readonly name: string
  readonly size: number
  readonly hash: number
}

/** The last bytes that count, of all bytes of the file that are known, up to its end. */
export function tailOf(bytes: Uint8Array, end = bytes.length): Uint8Array {
  return bytes.subarray(Math.max(0, end - TAIL_SIZE), end)
}

export function hashOf(tail: Uint8Array): number {
  return crc32(tail)
}

/** `tail` is what tailOf() answers for the end of the file. */
export function versionOf({ name, size }: Pick<FileState, 'name' | 'size'>, tail: Uint8Array): string {
  return `${name}-${size.toString(16)}-${hashOf(tail).toString(16).padStart(8, '0')}`
}

const TEXT = /^([0-9a-f]{64})-([0-9a-f]{1,14})-([0-9a-f]{8})$/

/** Null for that of no file. */
export function parseVersion(option: string, version: unknown): Version | null {
  if (version === NO_FILE) return null
  const [, name, size, hash] = TEXT.exec(typeof version === 'string' ? version : '') ?? []
  if (name === undefined || size === undefined || hash === undefined) {
    throw invalidValue(option, 'a version that holdfast gave', version)
  }
  return { name, size: parseInt(size, 16), hash: parseInt(hash, 16) }
}
