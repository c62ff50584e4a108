import { nodeCyclist, preparedPath } from '../lib/cyclists.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'

export const id = 'owner'
export const title = 'acquire() with an owner and a label'

const PLAIN = 'without'
const OWNED = 'with an owner and a label'

export async function measure({ folder, quick }) {
  const runners = await interleave(
    [
      nodeCyclist(PLAIN, 'holdfast', await preparedPath(folder, 'plain'), 1000),
      nodeCyclist(OWNED, 'holdfast-owner', await preparedPath(folder, 'owned'), 1000),
    ],
    quick ? 60 : 300,
    20,
  )
  const entries = runners.map(summary)
  const [plain, owned] = entries
  return {
    entries,
    unit: 'a cycle',
    baseline: PLAIN,
    notes: 'The stack of the call is kept for owners with a name, at most once a millisecond.',
    checks: [atMost('against acquire() without them', owned.median / plain.median, 1.2, ' ×')],
  }
}
