import { preparedPath } from '../lib/cyclists.mjs'
import { NodeProcess } from '../lib/node-process.mjs'
import { atLeast, atMost, digits, median } from '../lib/stats.mjs'

export const id = 'fairness'
export const title = 'Four processes of four lanes on one file'

const PROCESSES = 4
const LANES = 4
/** Milliseconds, busy. */
const HOLD = 1
const FAIR_WAIT = PROCESSES * LANES * HOLD

export async function measure({ folder, quick }) {
  const path = await preparedPath(folder, 'fairness')
  const length = quick ? 2000 : 5000
  const runs = []
  for (let run = 0; run < (quick ? 1 : 3); run++) runs.push(await contend('holdfast', path, length))
  const contenders = [{ name: 'holdfast', ...middle(runs) }]
  for (const name of quick ? [] : ['fs-native-extensions', 'proper-lockfile']) {
    try {
      contenders.push({ name, ...(await contend(name, path, length)) })
    } catch (error) {
      contenders.push({ name, reason: error.message })
    }
  }
  const [ours] = contenders
  return {
    columns: ['', 'holds, of the ideal', 'holds by process', 'busiest ÷ quietest', 'longest wait'],
    lines: contenders.map(({ name, reason, share, counts, skew, longest }) =>
      reason === undefined
        ? [name, `${digits(share * 100)} %`, counts.join(' / '), digits(skew), `${digits(longest)} ms`]
        : [name, reason],
    ),
    entries: contenders.flatMap(({ name, counts = [] }) =>
      counts.map((count, index) => ({ name: `${name}, process ${index + 1}`, median: count })),
    ),
    notes: `Each lane loops: acquire, ${HOLD} ms of work, release, for ${length / 1000} s. With ${FAIR_WAIT} lanes a fair wait is ${FAIR_WAIT} ms. Median of ${runs.length} runs for holdfast, one run for the peers.`,
    checks: [
      atLeast('holds, of the ideal', ours.share * 100, 80, ' %'),
      atMost('busiest ÷ quietest process', ours.skew, 1.3),
      atMost('longest wait, of the fair wait', ours.longest / FAIR_WAIT, 6, ' ×'),
    ],
    plot: {
      title,
      unit: `holds of ${HOLD} ms in ${length / 1000} s, by process`,
      ours: ours.counts.map((_, index) => `holdfast, process ${index + 1}`),
      number: digits,
    },
  }
}

async function contend(contender, path, length) {
  const processes = []
  try {
    for (let i = 0; i < PROCESSES; i++) {
      processes.push(await NodeProcess.start('lanes.mjs', [contender, path, LANES, HOLD]))
    }
    const begin = Number(process.hrtime.bigint()) + 300e6
    const results = await Promise.all(processes.map((child) => child.ask('contend', begin, length)))
    const counts = results.map(({ count }) => count)
    const total = counts.reduce((sum, count) => sum + count, 0)
    return {
      counts,
      share: total / (length / HOLD),
      skew: Math.max(...counts) / Math.min(...counts),
      longest: Math.max(...results.map(({ longest }) => longest)),
    }
  } finally {
    for (const child of processes) await child.kill()
  }
}

/** Each figure's median; the counts are those of the last run. */
function middle(runs) {
  return {
    counts: runs.at(-1).counts,
    share: median(runs.map(({ share }) => share)),
    skew: median(runs.map(({ skew }) => skew)),
    longest: median(runs.map(({ longest }) => longest)),
  }
}
