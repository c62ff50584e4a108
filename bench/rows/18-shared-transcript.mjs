import { interleave } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'
import { writerTable } from '../lib/writer-table.mjs'
import { figures, sharingContender } from '../lib/writers.mjs'

export const id = 'shared-transcript'
export const title = 'Four processes of eight lanes append to one transcript'

const WRITERS = [
  { name: 'holdfast transcript', writer: 'holdfast', options: { durability: 'batch' } },
  { name: 'fdatasync per line, no lock', writer: 'append-and-sync', options: { queued: false } },
  { name: 'proper-lockfile, appendFile, fsync', writer: 'proper-lockfile', options: { flush: true } },
  { name: 'better-sqlite3, WAL, synchronous FULL', writer: 'better-sqlite3', options: { synchronous: 'FULL' } },
]

export async function measure({ folder, quick }) {
  const plan = { processes: 4, lanes: 8, size: 200, length: quick ? 1000 : 3000 }
  const contenders = WRITERS.map((writer) => sharingContender(writer, folder, plan))
  const entries = (await interleave(contenders, quick ? 1 : 5, quick ? 0 : 1)).map(figures)
  return {
    ...writerTable(entries, 'lines', { shared: true }),
    notes: `Durable lines of 200 bytes, for ${plan.length / 1000} s. p99 is that of the process with the longest one; "longest" is what a lane waited at most for its line.`,
    checks: [atMost('busiest ÷ quietest process', entries[0].skew, 1.3)],
  }
}
