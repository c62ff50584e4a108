// Shows the addon on every system this machine can show. Each of the shipped binaries is built and looked over; those
// that can run here do so: in other versions of Node, in Windows' Node under Wine, in an emulator, on another C library
// (scripts/platforms/runs.mjs). The last lines are how each target was shown, and the sum of all cases.
//
//   node scripts/test-platforms.mjs [name…]      names: "here", a target ("linux-x64"), a run ("Node 22")
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { prepareAll } from './platforms/prepare.mjs'
import { runCases } from './platforms/run.mjs'
import { printTally, tally } from './platforms/tally.mjs'

/** Runs at once: much of a run is waiting for other processes. */
const LANES = 2

async function runAndTell({ name, target, folder, runtime }) {
  const begin = Date.now()
  try {
    const { text, ...counts } = await runCases(folder, runtime)
    console.log(`\n# ${target}: ${name} (${Math.round((Date.now() - begin) / 1000)} s)\n${text.trimEnd()}`)
    const failures = counts.failed === 0 ? '' : `, ${counts.failed} FAILED`
    tally.add(target, `ran in ${name}: ${counts.passed} cases passed${failures}`, counts)
  } catch (error) {
    console.log(`\nnot ok - ${target}: ${name}: ${error.message}`)
    tally.fail(target, `to run in ${name}`)
  }
}

/** Runs what is in `waiting`, one after the other, until nothing is left. */
async function lane(waiting) {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await runAndTell(next)
}

const names = process.argv.slice(2)
const isWanted = (...known) => names.length === 0 || known.some((name) => names.includes(name))

const folder = mkdtempSync(join(tmpdir(), 'holdfast-platforms-'))
try {
  const waiting = prepareAll(folder, isWanted)
  await Promise.all(Array.from({ length: LANES }, () => lane(waiting)))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = printTally() ? 0 : 1
