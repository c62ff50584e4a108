// A path to lock, in a folder of its own. What this process still holds at the end of the test is released.
import { join } from 'node:path'

import { onTestFinished } from 'vitest'

import { releaseAll } from '../../src/index.js'
import { scratch } from './scratch.js'

export function file(): string {
  onTestFinished(() => void releaseAll())
  return join(scratch(), 'file')
}
