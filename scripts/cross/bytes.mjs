// The bytes of a binary, read with the file's name at hand.
import { readFileSync } from 'node:fs'

/** A binary that is not what it should be. The message begins with the file's name. */
export class BinaryError extends Error {
  constructor(file, fault) {
    super(`${file}: ${fault}`)
    this.name = 'BinaryError'
    this.file = file
  }
}

/** Little-endian unless the name says otherwise. Whatever lies past the end is an error. */
export class Bytes {
  constructor(file) {
    this.file = file
    this.buffer = readFileSync(file)
  }

  u8(at) {
    return this.slice(at, 1).readUInt8()
  }

  u16(at) {
    return this.slice(at, 2).readUInt16LE()
  }

  u32(at) {
    return this.slice(at, 4).readUInt32LE()
  }

  u32be(at) {
    return this.slice(at, 4).readUInt32BE()
  }

  u64(at) {
    return Number(this.slice(at, 8).readBigUInt64LE())
  }

  /** The text that ends with a zero byte. */
  text(at) {
    const end = this.buffer.indexOf(0, at)
    if (at >= this.buffer.length || end < 0) throw this.error('it is cut off')
    return this.buffer.toString('latin1', at, end)
  }

  slice(at, length) {
    if (at + length > this.buffer.length) throw this.error('it is cut off')
    return this.buffer.subarray(at, at + length)
  }

  error(fault) {
    return new BinaryError(this.file, fault)
  }
}

/** [0, step, 2 * step, …] from a start: where the entries of a table begin. */
export function places(start, count, step) {
  return Array.from({ length: count }, (_, i) => start + i * step)
}
