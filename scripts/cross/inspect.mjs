// Checks a binary before it is shipped: that it is for the system its name says, and that the oldest supported version
// of that system has all it asks for.
import { statSync } from 'node:fs'

import { BinaryError } from './bytes.mjs'
import { ENTRY_POINTS, GLIBC, LIB_SYSTEM, MUSL, NODE_API, WINDOWS } from './known-imports.mjs'
import { readBinary } from './read-binary.mjs'
import { targetNamed } from './targets.mjs'

export const LARGEST = 128 * 1024

const LIB_SYSTEM_PATH = '/usr/lib/libSystem.B.dylib'
const OLDEST_GLIBC = '2.17'
const OLDEST_MACOS = '11.0'

/** Whose symbols these are is not said in the binary: the first that has one gives it. */
const bySymbol = (names) => (symbol) => names.has(symbol.name)

/** By the system's part of a target's name. `faults` is what else there is to find. */
const SYSTEMS = {
  linux: {
    format: 'ELF',
    libraries: ['libc.so.6', 'libpthread.so.0', 'libdl.so.2'],
    knows: bySymbol(GLIBC),
    importsNodeApi: true,
    faults: ({ imports, threadLocal }) => [
      ...imports
        .filter(({ version }) => version !== null && !isAtMost(version.replace(/^GLIBC_/, ''), OLDEST_GLIBC))
        .map(({ name, version }) => `asks for ${name} of ${version}, which glibc ${OLDEST_GLIBC} has not`),
      // Nothing of the addon is: it is the errno of a C library that was linked in, and nobody reads that one.
      ...(threadLocal ? ['has thread-local variables: see stat_glibc.cc'] : []),
    ],
  },
  linuxmusl: {
    format: 'ELF',
    libraries: ['libc.so'],
    knows: bySymbol(MUSL),
    importsNodeApi: true,
    faults: ({ threadLocal }) => (threadLocal ? ['has thread-local variables'] : []),
  },
  darwin: {
    format: 'Mach-O',
    libraries: [LIB_SYSTEM_PATH],
    knows: ({ name, library }) => library === LIB_SYSTEM_PATH && LIB_SYSTEM.has(name),
    importsNodeApi: true,
    faults: ({ machine, minimum, signature }) => [
      ...(minimum === OLDEST_MACOS ? [] : [`is for macOS ${minimum}, not ${OLDEST_MACOS}`]),
      // Intel's macOS loads what is not signed, but nothing that is signed wrongly.
      ...(signature === null && machine === 'arm64' ? ['has no signature'] : []),
      ...(signature?.valid === false ? ['was changed after it was signed'] : []),
    ],
  },
  win32: {
    format: 'PE',
    libraries: Object.keys(WINDOWS),
    knows: ({ name, library }) => WINDOWS[library]?.has(name) === true,
    importsNodeApi: false, // that would be from a file name: see node_api_windows.cc
    faults: () => [],
  },
}

/** Throws a BinaryError with all that is wrong with one target's binary; answers with its size. */
export function inspect(name, file) {
  targetNamed(name)
  const [, platform, machine] = /^(\w+)-(\w+)$/.exec(name)
  const system = SYSTEMS[platform]
  const binary = readBinary(file)
  const { size } = statSync(file)
  const isNodeApi = (symbol) => system.importsNodeApi && symbol.library === null && NODE_API.has(symbol.name)

  if (binary.format !== system.format) throw new BinaryError(file, `is ${binary.format}, not ${system.format}`)
  const faults = []
  if (binary.machine !== machine) faults.push(`is for ${binary.machine ?? 'another machine'}, not ${machine}`)
  if (size > LARGEST) faults.push(`has ${size} bytes, more than ${LARGEST}`)
  for (const library of binary.libraries) {
    if (!system.libraries.includes(library)) faults.push(`needs the library ${library}`)
  }
  for (const symbol of binary.imports) {
    if (isNodeApi(symbol) || system.knows(symbol)) continue
    const source = symbol.library === null ? '' : ` from ${symbol.library}`
    faults.push(`asks for ${symbol.name}${source}, which is not in scripts/cross/known-imports.mjs`)
  }
  for (const entry of ENTRY_POINTS) {
    if (!binary.exports.includes(entry)) faults.push(`does not export ${entry}`)
  }
  faults.push(...system.faults(binary))
  if (faults.length > 0)
    throw new BinaryError(file, `not for ${name}:\n${faults.map((text) => `  ${text}`).join('\n')}`)
  return size
}

function isAtMost(version, limit) {
  return version.localeCompare(limit, 'en', { numeric: true }) <= 0
}
