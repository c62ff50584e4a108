// Builds the binary of this machine with the machine's own compiler, under the same name as scripts/prebuild-cross.mjs:
//
//   npm run prebuild [-- --arch x64]
//
// On a Mac, --arch builds for the other kind of Mac as well. These two are what is shipped for macOS; on the other
// systems it shows that the sources build there.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

import prebuildify from 'prebuildify'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const { values } = parseArgs({ options: { arch: { type: 'string', default: process.arch } } })

// Headers of the running Node's own installation, where it has them: then node-gyp downloads none.
const prefix = dirname(dirname(process.execPath))
if (existsSync(join(prefix, 'include', 'node', 'node_api.h'))) process.env.npm_config_nodedir = prefix

/** prebuildify knows musl by Alpine alone, and takes every other system, Windows too, for one with glibc. */
function libc() {
  if (process.platform !== 'linux') return false
  return process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
}

await promisify(prebuildify)({
  cwd: ROOT,
  arch: values.arch,
  targets: [process.versions.node], // for the headers only: Node-API is the same in all
  napi: true,
  tagLibc: libc(),
  // Not on a Mac, where the linker strips (binding.gyp) and then signs: on arm64, what was changed after it was signed
  // kills the process that loads it, and Apple's strip has not always signed anew.
  strip: process.platform === 'linux',
})
