// Builds the addon from source into build/Release. Node's headers come from the running Node's own installation where
// it has them (then nothing is downloaded), otherwise node-gyp fetches them.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
const prefix = dirname(dirname(process.execPath))
const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : []

/** A Makefile older than what it was made from would leave new files out. */
const makefile = statSync(join(root, 'build', 'Makefile'), { throwIfNoEntry: false })
const made = makefile?.mtimeMs ?? 0
const current = ['binding.gyp', join('native', 'binding.gyp'), join('native', 'sources.txt')].every(
  (file) => statSync(join(root, file)).mtimeMs < made,
)
const verb = current ? ['build'] : ['configure', 'build']
const { status } = spawnSync(process.execPath, [gyp, ...verb, ...headers, '--silent'], { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
