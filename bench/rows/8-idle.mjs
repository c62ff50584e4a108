import { join } from 'node:path'

import { NodeProcess } from '../lib/node-process.mjs'
import { atMost, digits, median } from '../lib/stats.mjs'

export const id = 'idle'
export const title = '64 waiters, blocked'

const WAITERS = 64

export async function measure({ folder, quick }) {
  const paths = Array.from({ length: WAITERS }, (_, index) => join(folder, `idle-${index}`))
  const length = quick ? 2000 : 5000
  const started = []
  const start = async () => {
    started.push(await NodeProcess.start('blocked.mjs', [join(folder, `idle-warm-up-${started.length}`)]))
    return started.at(-1)
  }
  let idle, waiting
  try {
    await (await start()).ask('hold', paths)
    const [idler, waiter] = [await start(), await start()]
    const spans = await Promise.all([idler.ask('switches', [], length), waiter.ask('switches', paths, length)])
    ;[idle, waiting] = spans.map(median)
  } finally {
    for (const child of started) await child.kill()
  }
  return {
    columns: ['', `context switches in ${length / 1000} s`],
    lines: [
      ['no waiters', digits(idle)],
      [`${WAITERS} waiters`, digits(waiting)],
    ],
    notes: `Voluntary and involuntary, over all threads of one process, with nothing to wait for and waiting for ${WAITERS} files. Median of three spans of time.`,
    checks: [atMost('context switches that the waits add', waiting - idle, 5)],
  }
}
