import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { interleave } from '../lib/rounds.mjs'
import { atMost, median, percentile } from '../lib/stats.mjs'

export const id = 'command'
export const title = '`holdfast run FILE true` and `flock FILE true`'

const PROGRAM = join(import.meta.dirname, '..', '..', 'dist', 'cli.js')
const FLOCK = 'flock FILE true'
const NODE = 'node -e 0'
const SPAWN = 'Node alone, running true by node:child_process'
const OURS = 'holdfast run FILE true'
const ALONE = `require('node:child_process').spawn('true', { stdio: 'inherit' })`

export async function measure({ folder, quick }) {
  const file = join(folder, 'command')
  const commands = [
    [FLOCK, ['flock', file, 'true']],
    [NODE, [process.execPath, '-e', '0']],
    [SPAWN, [process.execPath, '-e', ALONE]],
    [OURS, [process.execPath, PROGRAM, 'run', '--lockfile', file, 'true']],
  ]
  const contenders = commands.map(([name, command]) => ({ name, start: () => ({ run: () => timed(command) }) }))
  const runs = await interleave(contenders, quick ? 10 : 100, 2)
  const entries = runs.map(({ name, samples, reason }) =>
    reason === undefined ? { name, median: median(samples), p99: percentile(samples, 0.99) } : { name, reason },
  )
  const [, , alone, ours] = entries
  return {
    entries,
    unit: 'from start to end',
    baseline: FLOCK,
    notes:
      'Nobody else wants the lock; each sample is a process that starts another one. What a program on Node costs before it does anything is shown apart.',
    checks: [atMost('holdfast, against Node alone running the same command', ours.median / alone.median, 1.35, ' ×')],
  }
}

/** In microseconds. */
function timed([name, ...args]) {
  const begin = performance.now()
  const { status, error, stderr } = spawnSync(name, args, { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(stderr)
  return (performance.now() - begin) * 1e3
}
