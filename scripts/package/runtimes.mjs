// What runs JavaScript: versions of Node, Bun and Deno, against themselves and against each other.
import { join } from 'node:path'

import { makeStandIn } from '../platforms/musl.mjs'
import { missing } from '../platforms/needs.mjs'
import { ROOT } from './pack.mjs'
import { Skip, tool } from './skip.mjs'

const here = () => ['node']
const node22 = () => [tool('node-linux-22')]
const node24 = () => [tool('node-linux-24')]
const node26 = () => [tool('node-linux-26')]
const bun = () => [tool('bun')]
const deno = () => [tool('deno'), 'run', '--allow-all']

/** All promises, with the other process in the same runtime or in another. */
function locks(runtime, other = runtime) {
  return ({ packed, consumer }) => {
    consumer.install(packed.archive)
    return consumer.checkLock(runtime(), { peer: other() })
  }
}

/** A musl that is not Alpine's, which node-gyp-build takes for glibc. */
function onMusl({ packed, consumer }) {
  const reason = missing('musl', 'a C++ compiler')
  if (reason !== null) throw new Skip(reason)
  const command = [tool('bun-musl-x64')]
  const libraries = join(consumer.folder, 'libraries')
  makeStandIn('g++', join(ROOT, 'test', 'platforms', 'musl', 'libstdcxx.cc'), command, libraries)
  consumer.install(packed.archive)
  return consumer.checkLock(command, { env: { LD_LIBRARY_PATH: libraries } })
}

export const runtimes = {
  'node 22': locks(node22),
  'node 24': locks(node24),
  'node 26': locks(node26),
  bun: locks(bun),
  'bun with musl, not on Alpine': onMusl,
  deno: locks(deno),
  'node against bun': locks(here, bun),
  'bun against deno': locks(bun, deno),
  'deno against node 26': locks(deno, node26),
}
