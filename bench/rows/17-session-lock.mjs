import { interleave } from '../lib/rounds.mjs'
import { atLeast, atMost } from '../lib/stats.mjs'
import { timesOf, writerTable } from '../lib/writer-table.mjs'
import { figures, sharingContender } from '../lib/writers.mjs'

export const id = 'session-lock'
export const title = 'Four processes lock a session file, append 200 bytes and release'

const OURS = 'holdfast/adapters/session-write-lock'
const PEER = 'a lock file, tried every 25 to 50 ms'

const WRITERS = [
  { name: OURS, writer: 'session-write-lock' },
  { name: PEER, writer: 'lock-file' },
]

export async function measure({ folder, quick }) {
  const plan = { processes: 4, lanes: 1, size: 200, length: quick ? 1000 : 3000 }
  const contenders = WRITERS.map((writer) => sharingContender(writer, folder, plan))
  const entries = (await interleave(contenders, quick ? 1 : 5, quick ? 0 : 1)).map(figures)
  const [ours, peer] = entries
  return {
    ...writerTable(entries, 'lines', { shared: true }),
    notes: `One lane each, without a pause, for ${plan.length / 1000} s. p99 is that of the process with the longest one.`,
    checks: [
      atLeast(`lines, against ${PEER}`, timesOf(entries, PEER), 3, ' ×'),
      atMost('longest wait, against the lock file', ours.longest / peer.longest, 1, ' ×'),
    ],
  }
}
