// Workers that end at random moments, while they wait, hold, are granted, hand over: the process lives on and no lock
// stays behind.
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { Agent } from '../helpers/agent.js'
import { missing } from '../helpers/capabilities.js'
import { baseline, descriptorsOf, kernelTables, nobodyLeft, threadsOf } from '../helpers/kernel-tables.js'
import { scratch } from '../helpers/scratch.js'
import { until } from '../helpers/until.js'

const WORKERS = 150
const LOCKS = 20

test.skipIf(missing(kernelTables))(
  '150 workers on 20 locks, terminated at random moments, leave a live process and every lock free',
  { timeout: 60_000 },
  async () => {
    const folder = scratch()
    const paths = Array.from({ length: LOCKS }, (_, i) => join(folder, `file${i}`))
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    console.log(`terminated workers: SEED=${seed}`)
    const [agent, rival] = await Promise.all([Agent.start(), Agent.start()])
    // What a process keeps for its first worker is made now.
    const first = await agent.ask<number>('startWorker')
    await agent.ask('askWorker', first, 'hold', paths[0])
    await agent.ask('terminateWorker', first)
    const before = await baseline(agent.pid)

    // The rival makes them wait in the kernel as well as for each other.
    await rival.ask('startLanes', paths[0], 1)
    const storm = await agent.ask<{ ended: number; grants: number }>('terminateStorm', paths, seed, WORKERS)
    expect(storm.ended).toBe(WORKERS)
    expect(storm.grants).toBeGreaterThan(0)
    await rival.ask('stopLanes')

    expect(agent.process.exitCode).toBeNull()
    for (const path of paths) {
      await nobodyLeft(`${path}.hold`)
      expect(await rival.tryAcquire(path)).not.toBeNull()
    }
    await until('the threads are gone', () => threadsOf(agent.pid) === before.threads)
    await until('the descriptors are closed', () => descriptorsOf(agent.pid) === before.descriptors)
  },
)
