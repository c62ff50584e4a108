// A file of its own for each test, whose locks this process gives back at the end: a lock that is left behind would find its
// lock file gone, and say so as it must.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import { unlockSync } from '../../../src/adapters/proper-lockfile.js'
import { scratch } from '../../helpers/scratch.js'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** It exists, empty. */
export function someFile(folder = scratch(), name = 'file'): string {
  const file = noFile(folder, name)
  writeFileSync(file, '')
  return file
}

export function noFile(folder = scratch(), name = 'file'): string {
  const file = join(folder, name)
  onTestFinished(() => {
    while (unlocked(file));
  })
  return file
}

function unlocked(file: string): boolean {
  try {
    unlockSync(file, { realpath: false })
    return true
  } catch {
    return false
  }
}

/** What is thrown or rejected; undefined where nothing is. */
export async function errorOf(run: () => unknown): Promise<unknown> {
  try {
    await run()
    return undefined
  } catch (error) {
    return error
  }
}
