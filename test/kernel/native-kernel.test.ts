// The contract of the seam, on the operating system's own locks: by calls on the JavaScript thread, and aside, as where
// a filesystem may never answer.
import { describe, test } from 'vitest'

import { DISTANT, LOCAL } from '../helpers/filesystem.js'
import { nativeWorld } from '../helpers/native-world.js'
import { scratch } from '../helpers/scratch.js'
import { contract } from './contract.js'

const LACKS = { removes: 'keeps open files from being deleted', links: 'makes symlinks for some users only' }

describe.each([
  ['a local filesystem', LOCAL],
  ['a distant filesystem', DISTANT],
])('on %s', (_, filesystem) => {
  for (const { title, removes, links, atOnce, run } of contract) {
    if (atOnce === true && filesystem.distant) continue // test/kernel/distant.test.ts has them in another form
    const skip = (removes ?? links) === true && process.platform === 'win32'
    if (skip) console.log(`skipped: ${title}: this system ${LACKS[removes === true ? 'removes' : 'links']}`)
    test.skipIf(skip)(title, () => run(nativeWorld(scratch(), filesystem)))
  }
})
