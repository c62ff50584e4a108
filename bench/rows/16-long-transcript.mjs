import { interleave } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'
import { figures, writerContender } from '../lib/writers.mjs'

export const id = 'long-transcript'
export const title = 'An append to a long transcript'

const SHORT = 'at 1 KB'
const LONG = 'at 1 GB'

export async function measure({ folder, quick }) {
  const plan = { lanes: 1, size: 200, length: quick ? 100 : 300 }
  const at = (name, before, durability) =>
    writerContender({ name, writer: 'holdfast', options: { durability } }, folder, { ...plan, before })
  const runners = await interleave(
    [
      at(`${SHORT}, durable`, 1000, 'batch'),
      at(`${LONG}, durable`, 1e9, 'batch'),
      at(`${SHORT}, without sync`, 1000, 'none'),
      at(`${LONG}, without sync`, 1e9, 'none'),
    ],
    quick ? 4 : 21,
  )
  const entries = runners.map(figures)
  const [shortDurable, longDurable, short, long] = entries
  return {
    entries,
    unit: 'an append of 200 bytes',
    baseline: shortDurable.name,
    notes: 'One lane, one line at a time. The file is opened with so many bytes in it; they take no room on the disk.',
    checks: [
      atMost('1 GB against 1 KB, durable', longDurable.median / shortDurable.median, 1.2, ' ×'),
      atMost('1 GB against 1 KB, without sync', long.median / short.median, 1.2, ' ×'),
    ],
  }
}
