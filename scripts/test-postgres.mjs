// Runs test/postgres against every version of the server that is supported, each fetched from the npm registry.
//
//   npm run test:postgres [-- version…]      for example 12 18
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { fetchTool } from './cross/cache.mjs'

const ROOT = join(import.meta.dirname, '..')
const VITEST = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
const VERSIONS = ['12', '13', '14', '15', '16', '17', '18']

/** The server runs as another user, who cannot read our cache. */
function unpack(version, folder) {
  const native = fetchTool(`postgres-${version}`)
  cpSync(native, join(folder, 'native'), { recursive: true })
  chmodSync(folder, 0o755)
  // A package has no symbolic links, so they are in a list.
  for (const { source, target } of JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'))) {
    symlinkSync(join(folder, source), join(folder, target))
  }
  return join(folder, 'native', 'bin')
}

function runAgainst(version) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'))
  try {
    const report = join(folder, 'report.json')
    const args = [VITEST, 'run', 'test/postgres', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`]
    const env = { ...process.env, HOLDFAST_POSTGRES: unpack(version, folder) }
    const { status } = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] })
    const { numPassedTests: passed, numFailedTests: failed } = JSON.parse(readFileSync(report, 'utf8'))
    return { passed, failed: Math.max(failed, status === 0 ? 0 : 1) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((version) => !VERSIONS.includes(version))
if (unknown.length > 0) {
  console.error(`${unknown.join(', ')}: the versions are ${VERSIONS.join(', ')}`)
  process.exit(2)
}
const results = (wanted.length === 0 ? VERSIONS : wanted).map((version) => ({ version, ...runAgainst(version) }))
for (const { version, passed, failed } of results)
  console.log(`PostgreSQL ${version}: ${passed} passed, ${failed} failed`)
const sum = (name) => results.reduce((all, result) => all + result[name], 0)
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
process.exitCode = sum('failed') > 0 || sum('passed') === 0 ? 1 : 0
