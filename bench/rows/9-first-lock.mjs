import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { run } from '../../scripts/package/command.mjs'
import { pack } from '../../scripts/package/pack.mjs'
import { interleave } from '../lib/rounds.mjs'
import { atMost, median, percentile } from '../lib/stats.mjs'

export const id = 'first-lock'
export const title = 'From nothing to the first lock'

const PROGRAMS = {
  'an empty script': '',
  "import 'holdfast'": "import 'holdfast'\n",
  'the same, and tryAcquire() and release()':
    "import { tryAcquire } from 'holdfast'\ntryAcquire(process.argv[2]).release()\n",
}
const INSTALL = 'npm install of the package, and that'

export async function measure({ folder, quick }) {
  const { archive } = pack(folder)
  const consumer = install(folder, archive)
  const runs = await interleave(
    Object.entries(PROGRAMS).map(([name, text], index) => {
      const program = join(consumer, `${index}.mjs`)
      writeFileSync(program, text)
      return { name, start: () => ({ run: () => timed(() => start(program, folder)) }) }
    }),
    quick ? 10 : 100,
    2,
  )
  const installs = await interleave(
    [
      {
        name: INSTALL,
        start: () => ({ run: () => timed(() => start(join(install(folder, archive), '2.mjs'), folder)) }),
      },
    ],
    quick ? 1 : 5,
  )
  const entries = [...runs, ...installs].map(({ name, samples, reason }) =>
    reason === undefined ? { name, median: median(samples), p99: percentile(samples, 0.99) } : { name, reason },
  )
  const [empty, imported] = entries
  return {
    entries,
    unit: 'from start to end',
    baseline: empty.name,
    notes: 'Each sample is a process. The package and its dependency come from the cache of npm.',
    checks: [atMost('the import, over an empty script', (imported.median - empty.median) / 1e3, 5, ' ms')],
  }
}

/** In an empty folder; answers with it. */
function install(folder, archive) {
  const consumer = join(folder, 'consumer')
  rmSync(join(consumer, 'node_modules'), { recursive: true, force: true })
  rmSync(join(consumer, 'package-lock.json'), { force: true })
  mkdirSync(consumer, { recursive: true })
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }')
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', archive], { cwd: consumer })
  return consumer
}

function start(program, folder) {
  const { status, stderr } = spawnSync(process.execPath, [program, join(folder, 'first-lock')], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** In microseconds. */
function timed(action) {
  const begin = performance.now()
  action()
  return (performance.now() - begin) * 1e3
}
