// What is in a binary, of whichever system. Read here rather than by the tools of a compiler, so that every machine can.
import { Bytes } from './bytes.mjs'
import { isElf, readElf } from './elf.mjs'
import { isMachO, readMachO } from './macho.mjs'
import { isPe, readPe } from './pe.mjs'

/**
 * The format, the machine ("x64", "arm64"), the libraries it names, the symbols it imports, each with its library and
 * version where it has them, and the symbols it exports. Throws a BinaryError for what is none, or is cut off.
 */
export function readBinary(file) {
  const bytes = new Bytes(file)
  if (isElf(bytes)) return readElf(bytes)
  if (isMachO(bytes)) return readMachO(bytes)
  if (isPe(bytes)) return readPe(bytes)
  throw bytes.error('neither ELF nor 64-bit Mach-O nor PE')
}
