// cmake-js, told that the addon needs Node-API's headers alone, so that it downloads none of Node's:
//
//   node scripts/cross/cmake-js.mjs <sources> <out> [NAME=value…]
//
// Its command line learns that only from a field of package.json that is another tool's.
import { createRequire } from 'node:module'

const { BuildSystem } = createRequire(import.meta.url)('cmake-js')

const [directory, out, ...definitions] = process.argv.slice(2)
const system = new BuildSystem({
  directory,
  out,
  config: 'MinSizeRel',
  parallel: 2,
  cMakeOptions: Object.fromEntries(definitions.map((text) => text.split(/=(.*)/s, 2))),
})
system.options.isNodeApi = true
await system.rebuild().catch(() => (process.exitCode = 1)) // it has said why
