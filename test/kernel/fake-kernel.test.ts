// The fake kernel keeps the same contract as the native one: what is proven on it holds for the seam.
import { expect, test } from 'vitest'

import { FakeSystem } from '../helpers/fake-kernel.js'
import { LOCAL, SURE } from '../helpers/filesystem.js'
import { contract, type ContractWorld } from './contract.js'

function fakeWorld(): ContractWorld {
  const system = new FakeSystem()
  let files = 0
  let time = 0
  system.now = () => time
  const named = (path: string) => ({ target: path, lockfile: `${path}.hold`, filesystem: LOCAL, ...SURE })
  return {
    open: () => system.open(),
    target: () => named(`/file-${++files}`),
    unreachable: () => named('/missing/file'),
    alias(file) {
      const other = named(`${file.target}-alias-${++files}`)
      system.link(file.lockfile, other.lockfile)
      return other
    },
    link(target) {
      const link = `/link-${++files}`
      system.links.set(link, target)
      return link
    },
    untold: system.untold,
    remove: (file) => system.remove(file.lockfile),
    content: (file) => system.inodeOf(file.lockfile)?.content ?? '',
    overwrite(file, content) {
      system.create(file.lockfile).content = content
    },
    exists: (file) => system.inodeOf(file.lockfile) !== undefined,
    until(condition) {
      system.deliver()
      expect(condition()).toBe(true)
      return Promise.resolve()
    },
    blockUntil(condition) {
      while (!condition() && time < 1000) {
        time++
        system.watch()
      }
      expect(condition()).toBe(true)
    },
  }
}

for (const { title, run } of contract) test(title, () => run(fakeWorld()))
