// The contract of the seam, on the operating system's own locks.
import { test } from 'vitest'

import { nativeWorld } from '../helpers/native-world.js'
import { scratch } from '../helpers/scratch.js'
import { contract } from './contract.js'

for (const { title, removes, run } of contract) {
  const skip = removes === true && process.platform === 'win32'
  if (skip) console.log(`skipped: ${title}: this system keeps open files from being deleted`)
  test.skipIf(skip)(title, () => run(nativeWorld(scratch())))
}
