// What runs JavaScript: versions of Node, Bun and Deno, against themselves and against each other.
import { tool } from './skip.mjs'

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

export const runtimes = {
  'node 22': locks(node22),
  'node 24': locks(node24),
  'node 26': locks(node26),
  bun: locks(bun),
  deno: locks(deno),
  'node against bun': locks(here, bun),
  'bun against deno': locks(bun, deno),
  'deno against node 26': locks(deno, node26),
}
