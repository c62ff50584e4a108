// PE, as Windows has it: what a library asks for and what it offers.
import { places } from './bytes.mjs'

const MACHINES = { 0x8664: 'x64', 0xaa64: 'arm64' }
const PE32_PLUS = 0x20b
const LIBRARY = 0x2000

// Entries of the directory, each a table's place: [place, size].
const EXPORTS = 0
const IMPORTS = 1
const DELAYED_IMPORTS = 13

const BY_NUMBER = 0x80000000 // in the upper half of an entry that names no function

export function isPe(bytes) {
  return bytes.u16(0) === 0x5a4d
}

export function readPe(bytes) {
  const header = bytes.u32(0x3c)
  const optional = header + 24
  if (bytes.u32(header) !== 0x4550 || bytes.u16(optional) !== PE32_PLUS || (bytes.u16(header + 22) & LIBRARY) === 0) {
    throw bytes.error('no 64-bit library')
  }
  const sections = places(optional + bytes.u16(header + 20), bytes.u16(header + 6), 40).map((at) => ({
    address: bytes.u32(at + 12),
    size: bytes.u32(at + 16),
    start: bytes.u32(at + 20),
  }))
  const inFile = (address) => {
    const section = sections.find((each) => address >= each.address && address < each.address + each.size)
    if (section === undefined) throw bytes.error('it is cut off')
    return address - section.address + section.start
  }
  const tableAt = (entry) => bytes.u32(optional + 112 + 8 * entry)

  /** Libraries with their functions, from descriptors that say where the library's name and the functions' lie. */
  const importsOf = (entry, size, nameAt, functionsAt) => {
    const imports = []
    if (tableAt(entry) === 0) return imports
    for (let at = inFile(tableAt(entry)); bytes.u32(at + nameAt) !== 0; at += size) {
      const library = bytes.text(inFile(bytes.u32(at + nameAt)))
      for (let item = inFile(bytes.u32(at + functionsAt)); bytes.u64(item) !== 0; item += 8) {
        const number = (bytes.u32(item + 4) & BY_NUMBER) !== 0
        const name = number ? `#${bytes.u16(item)}` : bytes.text(inFile(bytes.u32(item)) + 2)
        imports.push({ name, library, version: null })
      }
    }
    return imports
  }
  const imports = [...importsOf(IMPORTS, 20, 12, 0), ...importsOf(DELAYED_IMPORTS, 32, 4, 16)]

  let exports = []
  if (tableAt(EXPORTS) !== 0) {
    const table = inFile(tableAt(EXPORTS))
    const names = places(inFile(bytes.u32(table + 32)), bytes.u32(table + 24), 4)
    exports = names.map((at) => bytes.text(inFile(bytes.u32(at))))
  }
  return {
    format: 'PE',
    machine: MACHINES[bytes.u16(header + 4)],
    libraries: [...new Set(imports.map(({ library }) => library))],
    imports,
    exports,
  }
}
