// clang-tidy over the sources for this system, with the checks of .clang-tidy.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const require = createRequire(import.meta.url)

const HEADERS = [
  dirname(require.resolve('node-addon-api/package.json')),
  join(dirname(require.resolve('node-api-headers/package.json')), 'include'),
]

const FLAGS = ['-std=c++17', '-fno-exceptions', '-fno-rtti', '-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS']

export function isTidyThere(): boolean {
  return spawnSync('clang-tidy', ['--version'], { stdio: 'ignore' }).error === undefined
}

/** Of each source: null, or what was found. */
export function tidy(): Map<string, string | null> {
  const lines = readFileSync(join(ROOT, 'native', 'sources.txt'), 'utf8').split('\n')
  const sources = lines.flatMap((line) => /^(?:all|posix) (.*)$/.exec(line)?.[1] ?? [])
  const results = new Map<string, string | null>()
  for (const source of sources) {
    const flags = [...FLAGS, ...HEADERS.flatMap((folder) => ['-isystem', folder])]
    const args = ['clang-tidy', '--quiet', join(ROOT, 'native', source), '--', ...flags]
    const { status, stdout } = spawnSync('nice', args, { encoding: 'utf8' })
    results.set(source, status === 0 && stdout.trim() === '' ? null : stdout)
  }
  return results
}
