// The seam's contract and the promises between real processes, by a plain script: where this runs there may be no test
// runner (Windows' Node under Wine). The last line says "N passed, N failed, N skipped".
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { DISTANT, LOCAL } from '../helpers/filesystem.js'
import { nativeWorld } from '../helpers/native-world.js'
import { contract } from '../kernel/contract.js'
import { dataFilesContract } from '../kernel/data-files-contract.js'
import { posixCases } from './posix/cases.js'
import { runIn } from './process-case.js'
import { processCases } from './processes.js'
import { Report } from './report.js'
import { windowsCases } from './windows/cases.js'

const scratch = mkdtempSync(join(tmpdir(), 'holdfast-'))
let folders = 0
const folder = (): string => join(scratch, String(++folders))

const report = new Report()
for (const filesystem of [LOCAL, DISTANT]) {
  for (const { title, removes, links, atOnce, run } of contract) {
    if (atOnce === true && filesystem.distant) continue
    const name = filesystem.distant ? `${title}, aside` : title
    const world = nativeWorld(folder(), filesystem)
    if (links === true && world.link === null) {
      report.skip(name, 'this system makes symlinks for some users only')
    } else if (removes === true && world.remove === null) {
      report.skip(name, 'this system keeps open files from being deleted')
    } else {
      await report.run({ title: name, run: () => run(world) })
    }
  }
}
for (const { title, obstacle, run } of dataFilesContract) {
  const empty = folder()
  mkdirSync(empty, { recursive: true })
  const reason = obstacle?.(empty) ?? null
  if (reason === null) await report.run({ title, run: () => run(empty) })
  else report.skip(title, reason)
}
const systemCases = process.platform === 'win32' ? windowsCases : posixCases
for (const one of [...processCases, ...systemCases]) {
  await report.run({ title: one.title, run: () => runIn(folder(), one) })
}

try {
  rmSync(scratch, { recursive: true, force: true })
} catch {
  // Windows: the last process may still be closing its files.
}
console.log(report.summary())
process.exit(report.failures === 0 ? 0 : 1)
