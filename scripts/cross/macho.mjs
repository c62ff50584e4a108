// Mach-O, as macOS has it: what a library asks for and what it offers, and whether its signature is of these bytes.
import { createHash } from 'node:crypto'

import { places } from './bytes.mjs'

const MACHINES = { 0x01000007: 'x64', 0x0100000c: 'arm64' }
const LIBRARIES = [6, 8] // dylib, bundle

// Load commands.
const SYMBOLS = 0x2
const LOAD_LIBRARY = [0xc, 0x80000018, 0x8000001f] // needed, weak, re-exported
const CODE_SIGNATURE = 0x1d
const MINIMUM_VERSION = 0x24
const BUILD_VERSION = 0x32

// A symbol's kind.
const DEBUGGING = 0xe0
const KIND = 0x0e
const EXTERNAL = 0x01

const SIGNATURE = 0xfade0cc0
const CODE_DIRECTORY = 0xfade0c02
const SHA256 = 2

export function isMachO(bytes) {
  return bytes.u32(0) === 0xfeedfacf
}

export function readMachO(bytes) {
  if (!LIBRARIES.includes(bytes.u32(12))) throw bytes.error('no library')
  const binary = {
    format: 'Mach-O',
    machine: MACHINES[bytes.u32(4)],
    libraries: [],
    imports: [],
    exports: [],
    minimum: null,
    signature: null,
  }
  let symbols = []
  for (let i = 0, at = 32; i < bytes.u32(16); i++, at += bytes.u32(at + 4)) {
    const command = bytes.u32(at)
    if (LOAD_LIBRARY.includes(command)) binary.libraries.push(bytes.text(at + bytes.u32(at + 8)))
    if (command === MINIMUM_VERSION) binary.minimum = version(bytes.u32(at + 8))
    if (command === BUILD_VERSION) binary.minimum = version(bytes.u32(at + 12))
    if (command === CODE_SIGNATURE) binary.signature = signature(bytes, bytes.u32(at + 8))
    if (command === SYMBOLS) {
      symbols = places(bytes.u32(at + 8), bytes.u32(at + 12), 16)
        .map((entry) => symbol(bytes, entry, bytes.u32(at + 16)))
        .filter(({ external }) => external)
    }
  }
  binary.exports = symbols.filter(({ defined }) => defined).map(({ name }) => name)
  // A number outside of the list is no library: the symbol is looked for everywhere.
  binary.imports = symbols
    .filter(({ defined }) => !defined)
    .map(({ name, ordinal }) => ({ name, library: binary.libraries[ordinal - 1] ?? null, version: null }))
  return binary
}

/** C's names, without the underscore that each has here. */
function symbol(bytes, at, texts) {
  const type = bytes.u8(at + 4)
  return {
    name: bytes.text(texts + bytes.u32(at)).replace(/^_/, ''),
    external: (type & DEBUGGING) === 0 && (type & EXTERNAL) !== 0,
    defined: (type & KIND) !== 0,
    ordinal: bytes.u16(at + 6) >> 8,
  }
}

function version(number) {
  return `${number >>> 16}.${(number >>> 8) & 255}`
}

/** Whether all bytes before the signature have the hashes in it: a page changed after signing is refused by macOS. */
function signature(bytes, start) {
  if (bytes.u32be(start) !== SIGNATURE) throw bytes.error('its signature is none')
  const directory = places(start + 12, bytes.u32be(start + 8), 8)
    .map((at) => start + bytes.u32be(at + 4))
    .find((at) => bytes.u32be(at) === CODE_DIRECTORY && bytes.u8(at + 37) === SHA256)
  if (directory === undefined) throw bytes.error('its signature has no SHA-256 hashes')
  const end = bytes.u32be(directory + 32)
  const size = 2 ** bytes.u8(directory + 39)
  const hashes = directory + bytes.u32be(directory + 16)
  const pages = places(0, bytes.u32be(directory + 28), size)
  const right = pages.every((page, i) => {
    const hash = createHash('sha256').update(bytes.slice(page, Math.min(size, end - page)))
    return hash.digest().equals(bytes.slice(hashes + 32 * i, 32))
  })
  return { valid: right && end === start && pages.length === Math.ceil(end / size) }
}
