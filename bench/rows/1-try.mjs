import { compareCalls } from '../lib/same-calls.mjs'
import { nodeCyclist, preparedPath, rawCyclist } from '../lib/cyclists.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atMost } from '../lib/stats.mjs'

export const id = 'try'
export const title = 'tryAcquire() and release(), uncontended'

const RAW = 'raw C, the same system calls'
const OURS = 'holdfast tryAcquire'
const RAW_PLAIN = 'raw C, the same calls without the record'
const OURS_PLAIN = 'holdfast tryAcquire, record: false'

export async function measure({ folder, raw, quick }) {
  const path = await preparedPath(folder, 'try')
  const rawPath = await preparedPath(folder, 'try-raw')
  const count = 1000
  const runners = await interleave(
    [
      rawCyclist(RAW, raw.program, rawPath, true, count),
      nodeCyclist(OURS, 'holdfast-try', path, count),
      rawCyclist(RAW_PLAIN, raw.program, rawPath, false, count),
      nodeCyclist(OURS_PLAIN, 'holdfast-try-no-record', path, count),
    ],
    quick ? 60 : 400,
    20,
  )
  const entries = runners.map(summary)
  const [rawC, ours, rawPlain, oursPlain] = entries
  return {
    entries,
    unit: 'a cycle',
    baseline: RAW,
    notes: 'Median over rounds of the mean of 1,000 cycles; p99 of single cycles.',
    warnings: [
      compareCalls(folder, raw.program, rawPath, path, 'holdfast-try', true),
      compareCalls(folder, raw.program, rawPath, path, 'holdfast-try-no-record', false),
    ].filter((warning) => warning !== null),
    checks: [
      atMost('against raw C making the same system calls', ours.median / rawC.median, 1.5, ' ×'),
      atMost('record: false, against raw C without the record', oursPlain.median / rawPlain.median, 1.5, ' ×'),
    ],
    plot: { title, unit: 'µs a cycle', ours: [OURS, OURS_PLAIN] },
  }
}
