import { nodeCyclist, preparedPath, rawCyclist } from '../lib/cyclists.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atLeast, atMost } from '../lib/stats.mjs'

export const id = 'acquire'
export const title = 'await acquire() and release(), uncontended'

const RAW = 'raw C, the same system calls'
const OURS = 'holdfast'
const OS_LOCK = 'os-lock, as its README uses it'

export async function measure({ folder, raw, quick }) {
  const path = await preparedPath(folder, 'acquire')
  const rawPath = await preparedPath(folder, 'acquire-raw')
  const count = 1000
  const runners = await interleave(
    [
      rawCyclist(RAW, raw.program, rawPath, true, count),
      nodeCyclist(OURS, 'holdfast', path, count),
      nodeCyclist('fs-native-extensions, tryLock', 'fs-native-extensions', path, count),
      nodeCyclist('fs-native-extensions, waitForLock', 'fs-native-extensions-wait', path, count / 4),
      nodeCyclist('fs-ext', 'fs-ext', path, count / 4),
      nodeCyclist(OS_LOCK, 'os-lock-readme', path, count / 4),
      nodeCyclist('os-lock, opened and closed synchronously', 'os-lock', path, count / 4),
      nodeCyclist('proper-lockfile', 'proper-lockfile', path, count / 10),
    ],
    quick ? 15 : 150,
    10,
  )
  const entries = runners.map(summary)
  const of = Object.fromEntries(entries.map((entry) => [entry.name, entry.median]))
  return {
    entries,
    unit: 'a cycle',
    baseline: OURS,
    notes:
      'The peers with kernel locks open, lock, unlock and close. Only holdfast checks that the path still names the locked file and writes down who holds it, as the C baseline does.',
    checks: [
      atMost('against raw C making the same system calls', of[OURS] / of[RAW], 2, ' ×'),
      atLeast('faster than proper-lockfile', of['proper-lockfile'] / of[OURS], 30, ' ×'),
      atLeast(`faster than ${OS_LOCK}`, of[OS_LOCK] / of[OURS], 4, ' ×'),
    ],
    plot: { title: 'Uncontended acquire and release', unit: 'µs a cycle, logarithmic', ours: [OURS], log: true },
  }
}
