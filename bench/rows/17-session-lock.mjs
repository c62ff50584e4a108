import { interleave } from '../lib/rounds.mjs'
import { atLeast, atMost } from '../lib/stats.mjs'
import { writerTable } from '../lib/writer-table.mjs'
import { figures, sharingContender } from '../lib/writers.mjs'

export const id = 'session-lock'
export const title = 'Four processes lock a session file, append 200 bytes and release'

const OURS = 'session-write-lock'
const PEER = 'lock file'
const APPENDS = [
  ['appendFileSync()', { sync: true }],
  ['appendFile()', { sync: false }],
]

export async function measure({ folder, quick }) {
  const plan = { processes: 4, lanes: 1, size: 200, length: quick ? 1000 : 3000 }
  const contenders = APPENDS.flatMap(([append, options]) => [
    sharingContender({ name: `${OURS}, ${append}`, writer: 'session-write-lock', options }, folder, plan),
    sharingContender({ name: `${PEER}, ${append}`, writer: 'lock-file', options }, folder, plan),
  ])
  const entries = (await interleave(contenders, quick ? 1 : 5, quick ? 0 : 1)).map(figures)
  const pairs = APPENDS.map(([append], index) => ({ append, ours: entries[2 * index], peer: entries[2 * index + 1] }))
  return {
    ...writerTable(entries, 'lines', { shared: true, oursOf: (index) => index - (index % 2) }),
    notes: `One lane each, without a pause, for ${plan.length / 1000} s. Who finds the lock file there tries again after 25 to 50 ms, and meanwhile its holder may have it many times more: that, and not fairness, makes its lines. p99 is that of the process with the longest one.`,
    checks: pairs.flatMap(({ append, ours, peer }) => [
      atLeast(`lines with ${append}, against the lock file`, ours.rate / peer.rate, 3, ' ×'),
      atMost(`longest wait with ${append}, against the lock file`, ours.longest / peer.longest, 1, ' ×'),
    ]),
  }
}
