// node bench/killed-holder.mjs: a process that holds a lock is killed with SIGKILL. How long until another one owns it?
// The table of the README's first screen.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { killProcess, killProgram } from './lib/killed.mjs'
import { table } from './lib/report.mjs'
import { duration, median } from './lib/stats.mjs'

const RUNS = 20

/** Milliseconds after which "never" is printed. */
const PATIENCE = 15_000

const KERNEL = 'the kernel'
const SUBJECTS = [
  { name: 'holdfast', who: KERNEL, run: killProcess('holdfast'), runs: RUNS },
  { name: 'fs-native-extensions', who: KERNEL, run: killProcess('fs-native-extensions'), runs: RUNS },
  { name: 'fs-ext', who: KERNEL, run: killProcess('fs-ext'), runs: RUNS },
  { name: 'flock(1)', who: KERNEL, run: killProgram, runs: RUNS },
  {
    name: 'proper-lockfile, default options, retrying',
    who: 'a time-out',
    run: killProcess('proper-lockfile'),
    runs: 1,
  },
  { name: 'exclusive create with a PID check', who: 'a guess', run: killProcess('pid-file'), runs: 3 },
  { name: 'the same, the PID in use again', who: 'nobody', run: killProcess('pid-file', { reusePid: true }), runs: 1 },
  { name: 'exclusive create alone', who: 'nobody', run: killProcess('exclusive-create'), runs: 1 },
]

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
try {
  const lines = []
  for (const [index, { name, who, run, runs }] of SUBJECTS.entries()) {
    const samples = []
    let reason
    for (let count = 0; count < runs && reason === undefined; count++) {
      try {
        samples.push(await run(join(folder, `${index}`), PATIENCE))
      } catch (error) {
        reason = `not run: ${error.message}`
      }
    }
    const time = samples.includes(Infinity) ? `never (given up after ${PATIENCE / 1000} s)` : duration(median(samples))
    lines.push([name, reason ?? time, who])
  }
  console.log(table(['holder killed (`SIGKILL`)', 'another process owns the lock after', 'who frees it'], lines))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
