// Runs proper-lockfile's own tests against holdfast/adapters/proper-lockfile, as built in dist/.
//
//   node scripts/proper-lockfile-suite.mjs [folder]      of a checkout of its version 4.1.2, with its test/; or
//   HOLDFAST_PROPER_LOCKFILE_SUITE                       the same by the environment
//
// A case that must differ is listed with its reason. What fails and is not listed is a failure, and so is what is listed and
// passes. The last line is the sum.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { DIFFERENCES } from './proper-lockfile/differences.mjs'
import { judge } from './proper-lockfile/judge.mjs'
import { run } from './proper-lockfile/run.mjs'
import { stage } from './proper-lockfile/stage.mjs'

const checkout = process.argv[2] ?? process.env.HOLDFAST_PROPER_LOCKFILE_SUITE

if (checkout === undefined) {
  console.log(
    'skipped: there is no checkout of proper-lockfile 4.1.2; name its folder, or set HOLDFAST_PROPER_LOCKFILE_SUITE',
  )
} else {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-proper-lockfile-')))
  try {
    stage(checkout, folder)
    report(judge(run(folder), DIFFERENCES))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function report({ passed, differing, failures }) {
  for (const reason of new Set(differing.map(({ reason }) => reason))) {
    console.log(`\ndiffers, because ${reason}:`)
    for (const { name } of differing.filter((one) => one.reason === reason)) console.log(`  ${name}`)
  }
  for (const { name, why } of failures) console.log(`\nnot ok - ${name}\n  ${why}`)
  console.log(`\n${differing.length} differ as they must`)
  console.log(`${passed} passed, ${failures.length} failed`)
  process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1
}
