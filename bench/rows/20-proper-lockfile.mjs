import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { nodeCyclist } from '../lib/cyclists.mjs'
import { killProcess } from '../lib/killed.mjs'
import { NodeProcess } from '../lib/node-process.mjs'
import { interleave, summary } from '../lib/rounds.mjs'
import { atLeast, digits, duration, median } from '../lib/stats.mjs'
import { nodeWaiter } from '../lib/waiters.mjs'

export const id = 'proper-lockfile'
export const title = 'proper-lockfile and its adapter: the same calls with one import changed'

const CONTENDERS = [
  { name: 'adapter', contender: 'proper-lockfile-adapter' },
  { name: 'proper-lockfile', contender: 'proper-lockfile' },
]

/** Milliseconds. A try every 50 must not meet the release in step. */
const SHORTEST_HOLD = 60
const LONGER_AT_RANDOM = 50

/** Milliseconds: twice what makes a lock stale, and a half. */
const PATIENCE = 25_000

export async function measure({ folder, quick }) {
  const pathOf = (measure, contender) => join(folder, `${measure}-${contender}`)
  const cycles = await interleave(
    CONTENDERS.map(({ name, contender }) => nodeCyclist(name, contender, pathOf('cycle', contender), 100)),
    quick ? 10 : 60,
    5,
  )
  const handOvers = await interleave(
    CONTENDERS.map(({ name, contender }) => ({ name, start: () => startPair(contender, pathOf('pair', contender)) })),
    quick ? 10 : 60,
    2,
  )
  const killed = await interleave(
    CONTENDERS.map(({ name, contender }) => {
      const kill = killProcess(contender)
      return { name, start: () => ({ run: () => kill(pathOf('killed', contender), PATIENCE) }) }
    }),
    quick ? 1 : 5,
    0,
  )
  const lines = [
    lineOf('lock() and release(), uncontended', cycles.map(summary)),
    lineOf('release() until the waiting process has the lock', handOvers.map(middle)),
    lineOf('SIGKILL of the holder until the waiting process has the lock', killed.map(middle)),
  ]
  return {
    columns: ['median', ...CONTENDERS.map(({ name }) => name), 'the adapter is faster'],
    lines: lines.map(({ cells }) => cells),
    entries: [],
    notes: `Who waits tries every 50 ms, and is in the kernel's queue with the adapter; the holder releases after ${SHORTEST_HOLD} to ${SHORTEST_HOLD + LONGER_AT_RANDOM} ms. Most of an uncontended lock() of the adapter is realpath() in libuv's pool, which the original calls as well.`,
    checks: [
      atLeast('uncontended', lines[0].ratio, 1.5, ' ×'),
      atLeast('hand-over', lines[1].ratio, 20, ' ×'),
      atLeast('after SIGKILL', lines[2].ratio, 100, ' ×'),
    ],
  }
}

/** A holder and a waiter. The time is from the message that asks for the release, and includes its way, for both alike. */
async function startPair(contender, path) {
  const holder = await NodeProcess.start('contender.mjs', [contender, path])
  const waiter = await nodeWaiter(contender, path)
  const run = async () => {
    await holder.ask('hold')
    await waiter.begin()
    await sleep(SHORTEST_HOLD + Math.random() * LONGER_AT_RANDOM)
    const begun = Number(process.hrtime.bigint())
    await holder.ask('release')
    return ((await waiter.granted()) - begun) / 1e3
  }
  const close = async () => {
    await holder.kill()
    await waiter.close()
  }
  return { run, close }
}

/** In microseconds. */
function middle({ name, samples, reason }) {
  return reason === undefined ? { name, median: median(samples) } : { name, reason }
}

function lineOf(what, [ours, theirs]) {
  const ratio = theirs.median / ours.median
  const cells = [ours, theirs].map(({ median, reason }) => reason ?? duration(median))
  return { ratio, cells: [what, ...cells, Number.isFinite(ratio) ? `${digits(ratio)} ×` : '—'] }
}
