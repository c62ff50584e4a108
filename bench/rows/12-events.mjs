import { nodeCyclist, preparedPath } from '../lib/cyclists.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'

export const id = 'events'
export const title = 'acquire() and release() with subscribers'

const PLAIN = 'nobody subscribes'
const EVENTS = 'holdfast:hold and holdfast:release are subscribed to'

export async function measure({ folder, quick }) {
  const runners = await interleave(
    [
      nodeCyclist(PLAIN, 'holdfast', await preparedPath(folder, 'silent'), 1000),
      nodeCyclist(EVENTS, 'holdfast-events', await preparedPath(folder, 'told'), 1000),
    ],
    quick ? 60 : 300,
    20,
  )
  const entries = runners.map(summary)
  const [plain, told] = entries
  return {
    entries,
    unit: 'a cycle',
    baseline: PLAIN,
    notes: 'Each cycle makes and delivers two events.',
    checks: [atMost('against nobody', told.median / plain.median, 1.5, ' ×')],
  }
}
