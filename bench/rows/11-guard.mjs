import { nodeCyclist, preparedPath } from '../lib/cyclists.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'

export const id = 'guard'
export const title = 'await hold.guard() of a function that does nothing'

export async function measure({ folder, quick }) {
  const contender = nodeCyclist('a guard', 'holdfast-guard', await preparedPath(folder, 'guard'), 20_000)
  const entries = (await interleave([contender], quick ? 30 : 150, 10)).map(summary)
  return {
    entries,
    unit: 'a guard',
    baseline: 'a guard',
    notes: 'The hold has a maxHold, so each guard checks the deadline, here and in the kernel engine.',
    checks: [atMost('a guard', entries[0].median, 1, ' µs')],
  }
}
