// An archive that Linux unpacks as its first file system: cpio, "newc".
import { closeSync, openSync, writeSync } from 'node:fs'

export interface Entry {
  /** Without a slash in front; folders on the way must have come before. */
  readonly name: string
  readonly mode: number
  readonly bytes: Buffer
}

export const FOLDER = 0o40755
export const PROGRAM = 0o100755
const LAST = 'TRAILER!!!'

export function writeArchive(path: string, entries: Iterable<Entry>): void {
  const file = openSync(path, 'w')
  try {
    let inode = 0
    for (const entry of entries) writeEntry(file, entry, ++inode)
    writeEntry(file, { name: LAST, mode: 0, bytes: Buffer.alloc(0) }, 0)
  } finally {
    closeSync(file)
  }
}

function writeEntry(file: number, { name, mode, bytes }: Entry, inode: number): void {
  const numbers = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length + 1, 0]
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}${name}\0`
  writeSync(file, padded(Buffer.from(header, 'latin1')))
  for (const piece = padded(bytes), at = { now: 0 }; at.now < piece.length;) {
    at.now += writeSync(file, piece, at.now)
  }
}

function padded(bytes: Buffer): Buffer {
  const missing = -bytes.length & 3
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)])
}
