// Builds the addon from source into build/Release. Node's headers come from the running Node's own installation where
// it has them (then nothing is downloaded), otherwise node-gyp fetches them.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
const prefix = dirname(dirname(process.execPath))
const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : []

const verb = existsSync(join(root, 'build', 'Makefile')) ? ['build'] : ['configure', 'build']
const { status } = spawnSync(process.execPath, [gyp, ...verb, ...headers, '--silent'], { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
