// ELF, as Linux has it: what a shared library asks for and what it offers.
import { places } from './bytes.mjs'

const MACHINES = { 62: 'x64', 183: 'arm64' }
const SHARED_LIBRARY = 3

// Types of sections, one of a section's flags, and one tag of the dynamic section.
const DYNAMIC = 6
const SYMBOLS = 11
const VERSIONS_NEEDED = 0x6ffffffe
const VERSIONS = 0x6fffffff
const THREAD_LOCAL = 0x400
const NEEDED = 1

/** A symbol's version when it has none: local, or global. */
const UNVERSIONED = [0, 1]

export function isElf(bytes) {
  return bytes.u32be(0) === 0x7f454c46
}

export function readElf(bytes) {
  if (bytes.u16(4) !== 0x0102 || bytes.u16(16) !== SHARED_LIBRARY) throw bytes.error('no 64-bit shared library')
  const sections = places(bytes.u64(40), bytes.u16(60), bytes.u16(58)).map((at) => ({
    type: bytes.u32(at + 4),
    flags: bytes.u64(at + 8),
    start: bytes.u64(at + 24),
    size: bytes.u64(at + 32),
    link: bytes.u32(at + 40),
    info: bytes.u32(at + 44),
  }))
  const ofType = (type) => sections.find((section) => section.type === type)
  const text = (section, at) => bytes.text(sections[section.link].start + at)

  const dynamic = ofType(DYNAMIC)
  const table = ofType(SYMBOLS)
  if (dynamic === undefined || table === undefined) throw bytes.error('no dynamic symbols')
  const libraries = places(dynamic.start, dynamic.size / 16, 16)
    .filter((at) => bytes.u64(at) === NEEDED)
    .map((at) => text(dynamic, bytes.u64(at + 8)))

  const versions = new Map()
  const needed = ofType(VERSIONS_NEEDED)
  for (let i = 0, at = needed?.start; i < (needed?.info ?? 0); i++, at += bytes.u32(at + 12)) {
    const library = text(needed, bytes.u32(at + 4))
    for (let j = 0, entry = at + bytes.u32(at + 8); j < bytes.u16(at + 2); j++, entry += bytes.u32(entry + 12)) {
      versions.set(bytes.u16(entry + 6), { library, version: text(needed, bytes.u32(entry + 8)) })
    }
  }
  const versionOf = (i) => {
    const number = needed === undefined ? 0 : bytes.u16(ofType(VERSIONS).start + 2 * i)
    if (UNVERSIONED.includes(number)) return { library: null, version: null }
    return versions.get(number) ?? { library: null, version: null }
  }

  // The first symbol is none.
  const symbols = places(table.start, table.size / 24, 24)
    .map((at, i) => ({ name: text(table, bytes.u32(at)), defined: bytes.u16(at + 6) !== 0, ...versionOf(i) }))
    .slice(1)
  return {
    format: 'ELF',
    machine: MACHINES[bytes.u16(18)],
    libraries,
    imports: symbols.filter(({ defined }) => !defined),
    exports: symbols.filter(({ defined }) => defined).map(({ name }) => name),
    threadLocal: sections.some(({ flags }) => (flags & THREAD_LOCAL) !== 0),
  }
}
