// A version says which file it was, how long, and what its last bytes were (4 KiB and more), taken at a moment when nobody
// who keeps the lock was writing. Times of change take no part: they are too coarse, and anybody can set them.
import { crc32 } from 'node:zlib'

import type { FileState } from '../door.js'
import { invalidValue } from '../errors.js'

/** Where there is no file. */
export const NO_FILE = 'none'

/** Bytes of the end of a file that are always enough for its version. */
export const ENOUGH = 8192

const BLOCK = ENOUGH / 2

export interface Version {
  /** The identity and the time of birth of the file. */
  readonly name: string
  readonly size: number
  readonly hash: number
}

/**
 * Where the bytes begin that are hashed: the last 4096, if there are so many, and what comes before them in their block of
 * the file. So the beginning stays where it is from line to line, and each line costs only its own bytes.
 */
export function hashedFrom(size: number): number {
  return Math.max(0, (Math.floor(size / BLOCK) - 1) * BLOCK)
}

/** The bytes from there on, of some that end with the file. */
export function hashedOf(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.subarray(Math.max(0, bytes.length - (size - hashedFrom(size))))
}

/** `bytes` end with the file, and are all of it or at least ENOUGH. */
export function versionOf({ name, size }: Pick<FileState, 'name' | 'size'>, bytes: Uint8Array): string {
  return textOf(name, size, crc32(hashedOf(bytes, size)))
}

/** Whether a file had that version when these bytes, from hashedFrom() on, were its last. */
export function isHashed(bytes: Uint8Array, { size, hash }: Version): boolean {
  return bytes.length === size - hashedFrom(size) && crc32(bytes) === hash
}

/** The versions of one file, line by line. */
export class Versions {
  private readonly name: string
  private readonly bytes: Uint8Array
  private at: number
  private size: number
  private from: number
  private hash: number

  /** `bytes` are of the file; at `at` of them it has `size` bytes, and ENOUGH or all of those are before that. */
  constructor(name: string, bytes: Uint8Array, at: number, size: number) {
    this.name = name
    this.bytes = bytes
    this.at = at
    this.size = size
    this.from = hashedFrom(size)
    this.hash = crc32(hashedOf(bytes.subarray(0, at), size))
  }

  /** The version with the next bytes, which are those of `text`. */
  next(text: string, length: number): string {
    this.at += length
    this.size += length
    const from = hashedFrom(this.size)
    const same = from === this.from
    this.hash = same ? crc32(text, this.hash) : crc32(hashedOf(this.bytes.subarray(0, this.at), this.size))
    this.from = from
    return textOf(this.name, this.size, this.hash)
  }
}

function textOf(name: string, size: number, hash: number): string {
  return `${name}-${size}-${hash}`
}

const TEXT = /^([0-9a-f]{64})-(\d{1,15})-(\d{1,10})$/

/** Null for that of no file. */
export function parseVersion(option: string, version: unknown): Version | null {
  if (version === NO_FILE) return null
  const [, name, size, hash] = TEXT.exec(typeof version === 'string' ? version : '') ?? []
  if (name === undefined || size === undefined || hash === undefined) {
    throw invalidValue(option, 'a version that holdfast gave', version)
  }
  return { name, size: Number(size), hash: Number(hash) }
}
