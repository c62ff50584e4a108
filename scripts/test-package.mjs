// Packs the package, installs it the way its users do, and runs it there: each case in an empty folder of its own,
// outside the checkout, with nothing but node and npm on PATH.
//
//   npm run test:package [-- name…]      all cases whose names begin so, or all
//
// One line a case; the last line is the sum.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Consumer, pathWithoutCompiler } from './package/consumer.mjs'
import { contents } from './package/contents.mjs'
import { installers } from './package/installers.mjs'
import { pack } from './package/pack.mjs'
import { permissions } from './package/permissions.mjs'
import { programs } from './package/programs.mjs'
import { runtimes } from './package/runtimes.mjs'
import { Skip } from './package/skip.mjs'
import { source } from './package/source.mjs'

const CASES = { ...contents, ...installers, ...programs, ...runtimes, ...permissions, ...source }

const wanted = process.argv.slice(2)
const names = Object.keys(CASES).filter((name) => wanted.length === 0 || wanted.some((start) => name.startsWith(start)))
/** Of what a failed case says. */
const MOST_TEXT = 4000
const LABELS = { passed: 'ok', failed: 'not ok', skipped: 'skipped' }
const sum = { passed: 0, failed: 0, skipped: 0 }

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-package-')))
try {
  const packed = pack(folder)
  const path = pathWithoutCompiler(join(folder, 'path'))
  for (const [index, name] of names.entries()) {
    const begin = Date.now()
    const { outcome, text } = check(CASES[name], { packed, consumer: new Consumer(join(folder, `${index}`), path) })
    sum[outcome]++
    console.log(`${LABELS[outcome]} - ${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)${text && `: ${text}`}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1

function check(run, setting) {
  try {
    return { outcome: 'passed', text: run(setting) ?? '' }
  } catch (error) {
    if (error instanceof Skip) return { outcome: 'skipped', text: error.message }
    return { outcome: 'failed', text: error.message.slice(0, MOST_TEXT) }
  }
}
