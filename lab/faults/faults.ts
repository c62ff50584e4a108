// Faults of this very process, through the library that was loaded into it (preload.c): one write arms, one write disarms.
// Nothing here may touch the folder of the faults.
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { constants } from 'node:os'

/** Which calls are counted: those for files of the folder, or what the addon asks for besides. */
export type Family = 'files' | 'threads' | 'transfers' | 'memory'

export type ErrorName =
  | 'EINTR'
  | 'EMFILE'
  | 'ENFILE'
  | 'ENOSPC'
  | 'EIO'
  | 'ENOLCK'
  | 'EACCES'
  | 'ENOMEM'
  /** A thread is refused. */
  | 'EAGAIN'

export interface Fault {
  readonly family: Family
  /** The first call that fails, counted from 1; 0: none. */
  readonly at: number
  /** How many calls fail; 0: all from then on. */
  readonly times: number
  readonly error: ErrorName
  /** Of a transfer, which does not fail: how many bytes it does at the most. */
  readonly most?: number
}

// The layout of preload.c.
const FAMILIES: readonly Family[] = ['files', 'threads', 'transfers', 'memory']
const HEAD = 64
const LINES = 4000
const LINE = 64
const SIZE = HEAD + LINES * LINE

/** Before a process is started that loads the library. */
export function prepareControl(file: string): void {
  writeFileSync(file, Buffer.alloc(SIZE))
}

export class Faults {
  private readonly fd: number

  constructor(file: string) {
    this.fd = openSync(file, 'r+')
  }

  arm({ family, at, times, error, most = 0 }: Fault): void {
    this.write(1, [FAMILIES.indexOf(family) + 1, at, times, constants.errno[error], most, 0, 0])
    this.write(0, [1])
  }

  disarm(): void {
    this.write(0, [0])
  }

  /** How many calls were counted since arm(). */
  get count(): number {
    return this.number(6)
  }

  /** How many of them failed. */
  get fired(): number {
    return this.number(7)
  }

  /** They, as `write file.hold`; the first 4000. */
  get calls(): string[] {
    const count = Math.min(LINES, this.count)
    const bytes = Buffer.alloc(count * LINE)
    readSync(this.fd, bytes, 0, bytes.length, HEAD)
    return Array.from({ length: count }, (_, index) => {
      const line = bytes.subarray(index * LINE, (index + 1) * LINE)
      return line.subarray(0, line.indexOf(0)).toString()
    })
  }

  close(): void {
    closeSync(this.fd)
  }

  private write(at: number, numbers: readonly number[]): void {
    const bytes = Int32Array.from(numbers)
    writeSync(this.fd, bytes, 0, bytes.byteLength, at * 4)
  }

  private number(at: number): number {
    const bytes = Buffer.alloc(4)
    readSync(this.fd, bytes, 0, 4, at * 4)
    return bytes.readInt32LE(0)
  }
}
