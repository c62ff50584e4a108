// The compiled tests, laid out like the package: a folder for each run, in which it finds its own binary and no other.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

/** What the compiler leaves out. */
const SOURCES = [join('windows', 'probe.c'), join('musl', 'libstdcxx.cc')]

export function compileTests(root, folder) {
  const tests = join('test', 'platforms')
  const { status } = spawnSync(
    process.execPath,
    [require.resolve('typescript/bin/tsc'), '-p', join(root, tests), '--outDir', folder],
    { stdio: 'inherit' },
  )
  if (status !== 0) throw new Error('test/platforms does not compile')
  for (const source of SOURCES) cpSync(join(root, tests, source), join(folder, tests, source))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const loader = dirname(require.resolve('node-gyp-build/package.json'))
  cpSync(loader, join(folder, 'node_modules', 'node-gyp-build'), { recursive: true })
}

/** `place` is where node-gyp-build looks for `binary`. */
export function layOut(compiled, folder, binary, place) {
  cpSync(compiled, folder, { recursive: true })
  mkdirSync(dirname(join(folder, place)), { recursive: true })
  cpSync(binary, join(folder, place))
}
