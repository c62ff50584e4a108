// One disk image through many cuts: started, checked against what was acknowledged before, written to, cut off.
import { openSync } from 'node:fs'
import { join } from 'node:path'

import type { Random } from '../history/random.js'
import { Disk, SURVIVALS, type Losses, type Survival } from './disk.js'
import { makeImage, type Filesystem } from './filesystems.js'
import { Ledger, Sighting, type Judgement } from './ledger.js'
import { Machine } from './machine.js'
import type { Message } from './messages.js'
import { inWords, momentOf, type Event, type Moment } from './moment.js'
import { laneOf, STORE_LANE } from './workload.js'

/** Milliseconds: a guest that does not come so far has failed. It takes five seconds, but minutes on a busy machine. */
const PATIENCE = 900_000
/** And one that writes so slowly that the moment does not come is cut off then. */
const LONGEST = 10_000
/** Milliseconds: other writes come meanwhile. */
const FLUSH_TIME = 4

export interface Settings {
  readonly folder: string
  readonly kernel: string
  readonly world: string
  readonly accelerator: string
  /** A planted bug of the disk. */
  readonly lies: boolean
}

export interface Cut {
  readonly filesystem: string
  readonly boot: number
  readonly moment: string
  readonly survival: string
  readonly losses: Losses
  /** Acknowledged in this start. */
  readonly lines: number
  readonly updates: number
  /** Seconds until the guest wrote; null: it was cut off before. */
  readonly started: number | null
  /** Of what the cuts before have left. */
  readonly judgement: Judgement | null
}

export class Series {
  readonly filesystem: Filesystem
  private readonly settings: Settings
  private readonly image: number
  private readonly ledger = new Ledger()
  private boot = 0

  constructor(filesystem: Filesystem, settings: Settings) {
    this.filesystem = filesystem
    this.settings = settings
    const path = join(settings.folder, `${filesystem.name.replace(/\W/g, '-')}.img`)
    makeImage(path, filesystem)
    this.image = openSync(path, 'r+')
  }

  /** Starts, and cuts off at a moment and with losses that the random choices decide. */
  cut(random: Random): Promise<Cut> {
    return this.play(momentOf(random), random.pick(SURVIVALS), random)
  }

  /** Starts only to see what the last cut has left. */
  last(random: Random): Promise<Cut> {
    return this.play(null, SURVIVALS[0], random)
  }

  private async play(moment: Moment | null, survival: Survival, random: Random): Promise<Cut> {
    const { settings, filesystem, ledger } = this
    const disk = new Disk(this.image, filesystem.size, settings.lies)
    const boot = ++this.boot
    const sighting = new Sighting()
    let count = 0
    const failures: string[] = []
    const reached = new Map<string, number>()
    const began = performance.now()
    let started: number | null = null
    let judgement: Judgement | null = null
    let losses: Losses = { cached: 0, lost: 0 }
    let over = (): void => {}
    const end = new Promise<void>((resolve) => (over = resolve))

    const cut = (): void => {
      if (!disk.on) return
      losses = disk.cut(survival, random)
      over()
    }
    const happened = (event: Event): void => {
      if (moment?.event !== event || (moment.from === 'ready' && started === null)) return
      if (++count >= moment.count) cut()
    }
    const fail = (why: string): void => {
      failures.push(why)
      cut()
    }
    const ready = (): void => {
      clearTimeout(timer)
      started = (performance.now() - began) / 1000
      judgement = ledger.judge(sighting)
      if (moment === null) cut()
      else timer = setTimeout(() => fail(`nothing was acknowledged in ${PATIENCE / 1000} s`), PATIENCE)
    }
    const tell = (message: Message, content: Buffer): void => {
      switch (message.kind) {
        case 'started':
          if (message.cache !== 'write back') fail(`the guest takes the disk for one without a cache: ${message.cache}`)
          break
        case 'file':
          sighting.add(message.stage, message.name, content)
          break
        case 'lock':
          sighting.locks.push(message)
          break
        case 'read':
          sighting.read = message
          break
        case 'ready':
          ready()
          break
        case 'acknowledged':
          ledger.acknowledge(message)
          if (disk.on && reached.size === 0) {
            clearTimeout(timer)
            timer = setTimeout(cut, moment?.event === 'millisecond' ? moment.count : LONGEST)
          }
          reached.set(message.lane, message.number)
          happened('acknowledgement')
          break
        case 'failed':
          // What the guest does once its disk has gone is no concern of anybody.
          if (disk.on) fail(message.why)
      }
    }
    let timer = setTimeout(() => fail(`the guest was not ready after ${PATIENCE / 1000} s`), PATIENCE)
    const heard = (command: 'read' | 'write' | 'flush'): void => {
      happened('command')
      if (command === 'flush' && disk.on) happened('flush')
    }
    const machine = await Machine.start({ ...settings, boot, filesystem, disk, flushTime: FLUSH_TIME, heard, tell })
    await end
    clearTimeout(timer)
    await machine.kill()

    const sum = (isStore: boolean): number =>
      [...reached].reduce(
        (total, [lane, number]) => total + ((laneOf(lane).index === STORE_LANE) === isStore ? number : 0),
        0,
      )
    return {
      filesystem: filesystem.name,
      boot,
      moment: moment === null ? 'the end' : inWords(moment),
      survival: survival.title,
      losses,
      lines: sum(false),
      updates: sum(true),
      started,
      judgement: failures.length === 0 ? judgement : failed(judgement, failures),
    }
  }
}

function failed(judgement: Judgement | null, failures: readonly string[]): Judgement {
  const { violations, ...rest } = judgement ?? {
    violations: [],
    torn: 0,
    damaged: 0,
    remaining: 0,
    lines: 0,
    forgotten: false,
  }
  return { ...rest, violations: [...violations, ...failures] }
}
