// Builds the binaries that are shipped, for every target, on Linux alone; looks each over; and puts it where
// node-gyp-build finds it:
//
//   npm run prebuild:cross [-- --twice] [target…]
//
// With --twice, each is built once more in another folder with nothing compiled before, and both must be the same bytes.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { crossBuild } from './cross/build.mjs'
import { inspect } from './cross/inspect.mjs'
import { TARGETS } from './cross/targets.mjs'
import { PREBUILDS, seal, sha256 } from './prebuilds.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** All that a build reads. */
const SOURCES = ['CMakeLists.txt', 'package.json', 'native', join('scripts', 'cross')]

function buildElsewhere(name) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-elsewhere-'))
  try {
    for (const part of SOURCES) cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    return sha256(crossBuild(name, { sources: folder, cache: join(folder, 'cache') }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const names = process.argv.slice(2).filter((argument) => argument !== '--twice')
const twice = process.argv.includes('--twice')
for (const name of names.length === 0 ? Object.keys(TARGETS) : names) {
  const begin = Date.now()
  const built = crossBuild(name)
  const size = inspect(name, built)
  const hash = sha256(built)
  if (twice && buildElsewhere(name) !== hash) throw new Error(`${name}: built twice, and not the same bytes`)

  const shipped = join(PREBUILDS, TARGETS[name].binary)
  mkdirSync(dirname(shipped), { recursive: true })
  cpSync(built, shipped)
  const seconds = ((Date.now() - begin) / 1000).toFixed(1)
  console.log(`${name}: ${size} bytes, sha256 ${hash}${twice ? ', twice the same' : ''} (${seconds} s)`)
}
seal(PREBUILDS)
