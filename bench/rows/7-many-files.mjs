import { join } from 'node:path'

import { NodeProcess } from '../lib/node-process.mjs'
import { atMost, digits, median } from '../lib/stats.mjs'

export const id = 'many-files'
export const title = '200 contended files in one process'

const FILES = 200

export async function measure({ folder, quick }) {
  const paths = Array.from({ length: FILES }, (_, index) => join(folder, `many-${index}`))
  const warmUp = join(folder, 'many-warm-up')
  const holder = await NodeProcess.start('blocked.mjs', [warmUp])
  const samples = []
  try {
    await holder.ask('hold', paths)
    for (let run = 0; run < (quick ? 3 : 5); run++) {
      const waiter = await NodeProcess.start('blocked.mjs', [warmUp], { execArgv: ['--expose-gc'] })
      samples.push(await waiter.ask('memory', paths))
      await waiter.kill()
    }
  } finally {
    await holder.kill()
  }
  const memory = median(samples.map(({ bytes }) => bytes)) / FILES / 1024
  const start = median(samples.map(({ nanoseconds }) => nanoseconds)) / FILES / 1e3
  return {
    columns: ['', 'each wait'],
    lines: [
      ['memory (VmRSS, after gc), KiB', digits(memory)],
      ['to start it, µs', digits(start)],
    ],
    notes: `Median of ${samples.length} fresh processes. All waits are blocked in the kernel, one small thread each; the kernel's own memory for a thread is not in VmRSS.`,
    checks: [atMost('memory of a wait', memory, 40, ' KiB'), atMost('to start a wait', start, 100, ' µs')],
  }
}
