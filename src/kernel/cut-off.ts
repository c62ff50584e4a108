// Whether a binary is only the start of one, as a full disk or an interrupted copy leaves it. Where libraries are ELF
// files, loading such a file does not fail: it kills the process with SIGBUS.
import { Buffer } from 'node:buffer'
import { fs } from './late.js'

// Where the header of a 64-bit ELF file says how long the file is: its section headers come last.
const HEADER_SIZE = 64
const SECTIONS_AT = 40
const SECTION_SIZE_AT = 58
const SECTION_COUNT_AT = 60

export function isCutOff(file: string): boolean {
  const descriptor = fs().openSync(file, 'r')
  try {
    const header = Buffer.alloc(HEADER_SIZE)
    const length = fs().readSync(descriptor, header, 0, HEADER_SIZE, 0)
    if (length < HEADER_SIZE || header.toString('latin1', 0, 4) !== '\x7fELF') return false
    const sections = header.readUInt16LE(SECTION_COUNT_AT) * header.readUInt16LE(SECTION_SIZE_AT)
    return fs().fstatSync(descriptor).size < Number(header.readBigUInt64LE(SECTIONS_AT)) + sections
  } finally {
    fs().closeSync(descriptor)
  }
}
