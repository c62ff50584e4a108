// Runs the staged suite in vitest, which knows the words that jest's tests are written in.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const VITEST = join(dirname(dirname(import.meta.dirname)), 'node_modules', 'vitest', 'vitest.mjs')

/** Its cases: { name, passed, why }. */
export function run(folder) {
  const results = join(folder, 'results.json')
  const options = ['--root', folder, '--config', 'vitest.config.mjs', '--reporter=json', `--outputFile=${results}`]
  const { stdout, stderr } = spawnSync(process.execPath, [VITEST, 'run', ...options], { cwd: folder, encoding: 'utf8' })
  if (!existsSync(results)) throw new Error(`the suite did not run:\n${stdout}\n${stderr}`)
  return JSON.parse(readFileSync(results, 'utf8')).testResults.flatMap(casesOf)
}

/** A file that cannot be read has no cases. */
function casesOf({ name, message, assertionResults }) {
  const file = basename(name)
  if (assertionResults.length === 0) return [{ name: file, passed: false, why: message }]
  return assertionResults.map(({ fullName, status, failureMessages }) => ({
    name: `${file}: ${fullName}`,
    passed: status === 'passed',
    why: failureMessages.join('\n'),
  }))
}
