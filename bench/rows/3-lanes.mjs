import { nodeCyclist, preparedPath } from '../lib/cyclists.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'

export const id = 'lanes'
export const title = 'Hand-over between two lanes of one process'

const OURS = 'holdfast'
const PEER = 'async-mutex (no file: promises only)'

export async function measure({ folder, quick }) {
  const path = await preparedPath(folder, 'lanes')
  const count = 4000
  const runners = await interleave(
    [nodeCyclist(OURS, 'holdfast', path, count, 'lanes'), nodeCyclist(PEER, 'async-mutex', path, count, 'lanes')],
    quick ? 40 : 250,
    10,
  )
  const entries = runners.map(summary)
  const [ours, peer] = entries
  return {
    entries,
    unit: 'a turn',
    baseline: PEER,
    notes:
      'Two lanes loop acquire, release. Every holdfast turn checks that the path still names the locked file, and the lock goes back to the kernel now and then so that other processes get it.',
    checks: [atMost('against async-mutex', ours.median / peer.median, 2.5, ' ×')],
    plot: { title, unit: 'µs a turn', ours: [OURS] },
  }
}
