import { join } from 'node:path'

import { NodeProcess } from '../lib/node-process.mjs'
import { atMost, digits, median } from '../lib/stats.mjs'

export const id = 'idle'
export const title = '64 waiters, blocked'

const WAITERS = 64

export async function measure({ folder, quick }) {
  const paths = Array.from({ length: WAITERS }, (_, index) => join(folder, `idle-${index}`))
  const length = quick ? 2000 : 5000
  const holder = await NodeProcess.start('blocked.mjs')
  const samples = []
  try {
    await holder.ask('hold', paths)
    for (let run = 0; run < (quick ? 1 : 3); run++) {
      const waiter = await NodeProcess.start('blocked.mjs')
      samples.push(await waiter.ask('switches', paths, length))
      await waiter.kill()
    }
  } finally {
    await holder.kill()
  }
  const idle = median(samples.map(({ idle }) => idle))
  const waiting = median(samples.map(({ waiting }) => waiting))
  const added = median(samples.map(({ idle, waiting }) => waiting - idle))
  return {
    columns: ['', `context switches in ${length / 1000} s`],
    lines: [
      ['no waiters', digits(idle)],
      [`${WAITERS} waiters`, digits(waiting)],
    ],
    notes: `Voluntary and involuntary, over all threads of one process that waits for ${WAITERS} files. Median of ${samples.length}.`,
    checks: [atMost('context switches that the waits add', added, 5)],
  }
}
