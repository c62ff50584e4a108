// Runs the contract and the process tests on this system's binary in prebuilds/, as it is shipped and as a user's Node
// finds it. Nothing is built: node scripts/release/run-shipped.mjs
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { TARGETS } from '../cross/targets.mjs'
import { runCases } from '../platforms/run.mjs'
import { compileTests, layOut } from '../platforms/stage.mjs'
import { faultsOf, PREBUILDS } from '../prebuilds.mjs'

const isMusl = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined
const target = `${process.platform}${isMusl ? 'musl' : ''}-${process.arch}`

const faults = faultsOf(PREBUILDS)
if (faults.length > 0) throw new Error(faults.join('\n'))

const folder = mkdtempSync(join(tmpdir(), 'holdfast-shipped-'))
try {
  const { binary } = TARGETS[target]
  const [compiled, run] = [join(folder, 'compiled'), join(folder, 'run')]
  compileTests(dirname(PREBUILDS), compiled)
  layOut(compiled, run, join(PREBUILDS, binary), join('prebuilds', binary))
  const { text, passed, failed } = await runCases(run, { command: [process.execPath] })
  console.log(`# ${target}: prebuilds/${binary} in Node ${process.versions.node}\n${text.trimEnd()}`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
