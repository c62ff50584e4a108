import { interleave } from '../lib/rounds.mjs'
import { atLeast, digits } from '../lib/stats.mjs'
import { timesOf, writerTable } from '../lib/writer-table.mjs'
import { figures, writerContender } from '../lib/writers.mjs'

const OURS = 'holdfast transcript'
const SYNC = 'fdatasync per line, one after the other'
const LOCKFILE = 'proper-lockfile, appendFile, fsync'

const WRITERS = [
  { name: OURS, writer: 'holdfast', options: { durability: 'batch' } },
  { name: SYNC, writer: 'append-and-sync', options: { queued: true } },
  { name: 'fdatasync per line, lanes in parallel', writer: 'append-and-sync', options: { queued: false } },
  { name: 'proper-lockfile, appendFile, no sync', writer: 'proper-lockfile' },
  { name: LOCKFILE, writer: 'proper-lockfile', options: { flush: true } },
  { name: 'better-sqlite3, WAL, synchronous FULL', writer: 'better-sqlite3', options: { synchronous: 'FULL' } },
  {
    name: 'sonic-boom, fsync, drain awaited',
    writer: 'sonic-boom',
    options: { fsync: true, told: true },
  },
]

const NOTES =
  'Each lane appends a line when its last one was acknowledged as durable. Every round has a new file, which is read when it is over: all lines that were acknowledged, once, whole, in the order of their lane. The lanes of proper-lockfile take turns in a queue before they ask for its lock. better-sqlite3 blocks the event loop while it writes. Lanes that sync for themselves do so on the four threads of libuv, all at once.'

/** Lanes, and bytes of a line. The last one has the targets. */
const CASES = [
  [1, 200],
  [8, 200],
  [128, 64_000],
  [128, 2000],
  [128, 200],
]

export const rows = CASES.map(([lanes, size]) => ({
  id: `durable-${lanes}-${size}`,
  title: `Durable appends of ${digits(size)} bytes, ${lanes === 1 ? 'one lane' : `${lanes} lanes`}`,
  measure: (run) => measure(run, lanes, size),
}))

async function measure({ folder, quick }, lanes, size) {
  const plan = { lanes, size, length: quick ? 100 : 500 }
  const contenders = WRITERS.map((writer) => writerContender(writer, folder, plan))
  const entries = (await interleave(contenders, quick ? 2 : 7)).map(figures)
  const isMain = lanes === 128 && size === 200
  return {
    ...writerTable(entries, 'lines'),
    notes: NOTES,
    checks: isMain
      ? [
          atLeast(`against ${SYNC}`, timesOf(entries, SYNC), 15, ' ×'),
          atLeast(`against ${LOCKFILE}`, timesOf(entries, LOCKFILE), 50, ' ×'),
        ]
      : [],
    ...(isMain && {
      plot: {
        title: 'Durable appends, 128 lanes',
        unit: 'lines of 200 bytes a second, logarithmic',
        ours: [OURS],
        log: true,
        number: digits,
      },
    }),
  }
}
