// The folder of shipped binaries and its manifest, which says what they were when they were looked at, and of which
// sources.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { inspect } from './cross/inspect.mjs'
import { TARGETS } from './cross/targets.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
export const PREBUILDS = join(ROOT, 'prebuilds')

/** As "sha256sum --check" reads it, in the folder. */
const MANIFEST = 'SHA256SUMS'

const BINARIES = Object.entries(TARGETS)
  .map(([name, { binary }]) => ({ name, binary }))
  .sort((a, b) => (a.binary < b.binary ? -1 : 1))

export function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** One hash of everything that the binaries are made of. */
function sourcesHash() {
  const native = readdirSync(join(ROOT, 'native'), { withFileTypes: true }).filter((entry) => entry.isFile())
  const cross = readdirSync(join(ROOT, 'scripts', 'cross'))
  const files = [
    ...['CMakeLists.txt', 'scripts/prebuild.mjs'],
    ...native.map(({ name }) => `native/${name}`).sort(),
    ...cross.map((name) => `scripts/cross/${name}`).sort(),
  ]
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file} ${sha256(join(ROOT, file))}\n`)
  return hash.digest('hex')
}

/** Inspects the binaries that are in the folder and writes their hashes down. Throws at the first that is wrong. */
export function seal(folder) {
  const sealed = BINARIES.filter(({ binary }) => existsSync(join(folder, binary)))
  for (const { name, binary } of sealed) inspect(name, join(folder, binary))
  const lines = sealed.map(({ binary }) => `${sha256(join(folder, binary))}  ${binary}\n`)
  writeFileSync(join(folder, MANIFEST), `# sources: ${sourcesHash()}\n${lines.join('')}`)
}

/** Why the folder is not of these sources; null when it is. */
export function staleness(folder) {
  if (manifestOf(folder).startsWith(`# sources: ${sourcesHash()}\n`)) return null
  return `${join(folder, MANIFEST)}: sealed of other sources than these`
}

function manifestOf(folder) {
  return existsSync(join(folder, MANIFEST)) ? readFileSync(join(folder, MANIFEST), 'utf8') : ''
}

/** What keeps the folder from being shipped: a target without a binary, a wrong one, or one that is not as sealed. */
export function faultsOf(folder) {
  const manifest = manifestOf(folder)
  const hashes = new Map(manifest.split('\n').map((line) => line.split('  ').reverse()))
  return BINARIES.flatMap(({ name, binary }) => {
    const file = join(folder, binary)
    if (!existsSync(file)) return [`${file}: there is none`]
    if (sha256(file) !== hashes.get(binary)) return [`${file}: not the one in ${MANIFEST}`]
    try {
      inspect(name, file)
      return []
    } catch (error) {
      return [error.message]
    }
  })
}
