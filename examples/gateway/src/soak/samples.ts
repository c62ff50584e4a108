// What processes use, as the system tells it, and how long the gateway waited for a lock, as it tells itself.
import { readdirSync, readFileSync } from 'node:fs'

import type { Sample } from './plot.js'
import type { World } from '../world/world.js'

export type Usage = Pick<Sample, 'memory' | 'descriptors' | 'threads'>

const UNKNOWN: Usage = { memory: null, descriptors: null, threads: null }

/** Nothing is known where there is no /proc, or no such process any more. */
export function usageOf(pid: number): Usage {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const memory = numberOf('VmRSS', status)
    if (memory === null) return UNKNOWN // it has ended, and only its parent does not know yet
    return {
      memory: memory * 1024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: numberOf('Threads', status),
    }
  } catch {
    return UNKNOWN
  }
}

function numberOf(name: string, status: string): number | null {
  const value = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1]
  return value === undefined ? null : Number(value)
}

/** Of the gateway, one life after another, and of the job. */
export class Sampling {
  readonly samples: Sample[] = []
  private readonly world: World
  private readonly now: () => number
  private readonly timer: NodeJS.Timeout
  private readonly lives = new Map<string, { pid: number; life: number }>()

  /** `now` is the time since the beginning. */
  constructor(world: World, every: number, now: () => number) {
    this.world = world
    this.now = now
    this.timer = setInterval(() => this.look(), every)
  }

  end(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const { world } = this
    this.add('gateway', world.gatewayPid, world.takeLongestWait())
    this.add('job', world.cronPid, null)
    world.order({ name: 'measure' }) // the answer is in the next sample
  }

  private add(process: string, pid: number, longestWait: number | null): void {
    const before = this.lives.get(process)
    const life = before === undefined ? 1 : before.pid === pid ? before.life : before.life + 1
    this.lives.set(process, { pid, life })
    this.samples.push({ at: this.now(), process, life, ...usageOf(pid), longestWait })
  }
}
