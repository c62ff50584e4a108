// A folder of its own for each test, removed afterwards.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { onTestFinished } from 'vitest'

export function scratch(base = tmpdir()): string {
  const folder = realpathSync(mkdtempSync(join(base, 'holdfast-')))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
