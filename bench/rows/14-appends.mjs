import { interleave } from '../lib/rounds.mjs'
import { atLeast, digits } from '../lib/stats.mjs'
import { timesOf, writerTable } from '../lib/writer-table.mjs'
import { figures, writerContender } from '../lib/writers.mjs'

const OURS = "holdfast transcript, durability 'none'"
const PEER = 'sonic-boom, its next drain awaited'
const LANES = 128

const WRITERS = [
  { name: OURS, writer: 'holdfast', options: { durability: 'none' } },
  { name: PEER, writer: 'sonic-boom', options: { told: true } },
  { name: 'sonic-boom as loggers use it, nobody is told', writer: 'sonic-boom', options: { told: false } },
  { name: 'fs.promises.appendFile', writer: 'append-file' },
  { name: 'better-sqlite3, WAL, synchronous OFF', writer: 'better-sqlite3', options: { synchronous: 'OFF' } },
]

export const rows = [64_000, 2000, 200].map((size) => ({
  id: `append-${size}`,
  title: `Appends of ${digits(size)} bytes without sync, ${LANES} lanes`,
  measure: (run) => measure(run, size),
}))

async function measure({ folder, quick }, size) {
  const plan = { lanes: LANES, size, length: quick ? 100 : 500 }
  const contenders = WRITERS.map((writer) => writerContender(writer, folder, plan))
  const entries = (await interleave(contenders, quick ? 2 : 7)).map(figures)
  return {
    ...writerTable(entries, 'lines'),
    notes:
      'Each lane appends a line when its last one was acknowledged as written. sonic-boom takes no lock and tells nobody when a line was written: its lanes wait until nothing is left to write, or, as loggers use it, for room only.',
    checks: size === 200 ? [atLeast(`against ${PEER}`, timesOf(entries, PEER), 0.9, ' ×')] : [],
  }
}
