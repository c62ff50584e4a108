// A disk that can lose its power: what was written since the last flush is in its cache, and of that any part may be lost.
//
// A block of 4 KiB is written as a whole or not at all, as disks do today and filesystems need it. Of everything else nothing
// is promised: a cut keeps some writes and not others, whatever their order, and of some of them single blocks. What a flush
// that was answered has covered stays, and so does a write that asked to go past the cache (FUA).
import { readSync, writeSync } from 'node:fs'

import type { Random } from '../history/random.js'

/** What can be addressed, and what is written as a whole. */
export const SECTOR = 512
export const BLOCK = 4096

/** What becomes of writes that were not flushed. */
export interface Survival {
  readonly title: string
  /** Of a write: the chance that anything of it is there. */
  readonly write: number
  /** Of a block of such a write. */
  readonly block: number
}

export const SURVIVALS: readonly [Survival, ...Survival[]] = [
  { title: 'nothing', write: 0, block: 0 },
  { title: 'half', write: 0.5, block: 1 },
  { title: 'most', write: 0.9, block: 1 },
  { title: 'torn', write: 0.7, block: 0.6 },
  { title: 'all torn', write: 1, block: 0.8 },
]

interface Write {
  readonly number: number
  /** By the number of the sector. */
  readonly sectors: Map<number, Buffer>
}

export interface Losses {
  /** Writes that were in the cache, and those of them of which a part is missing. */
  readonly cached: number
  readonly lost: number
}

export class Disk {
  readonly size: number
  private readonly image: number
  /** A planted bug: flushes are answered, and nothing is done. */
  private readonly lies: boolean
  /** In the order in which they came. */
  private cache: Write[] = []
  /** The latest content of each sector in the cache. */
  private readonly latest = new Map<number, { readonly write: Write; readonly bytes: Buffer }>()
  private written = 0
  private powered = true

  /** The image is a file that is open for both, of that size. */
  constructor(image: number, size: number, lies = false) {
    if (size % SECTOR !== 0) throw new RangeError(`Expected a size in whole sectors, got ${size}`)
    this.image = image
    this.size = size
    this.lies = lies
  }

  get on(): boolean {
    return this.powered
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    readSync(this.image, bytes, 0, length, offset)
    for (let at = 0; at < length; at += SECTOR) this.latest.get((offset + at) / SECTOR)?.bytes.copy(bytes, at)
    return bytes
  }

  /** The disk keeps the bytes: they must not be changed afterwards. */
  write(offset: number, bytes: Buffer, pastCache = false): void {
    const write: Write = { number: ++this.written, sectors: new Map() }
    for (let at = 0; at < bytes.length; at += SECTOR) {
      const sector = (offset + at) / SECTOR
      const content = bytes.subarray(at, at + SECTOR)
      if (pastCache && !this.lies) {
        this.forget(sector)
        writeSync(this.image, content, 0, SECTOR, sector * SECTOR)
      } else {
        write.sectors.set(sector, content)
        this.latest.set(sector, { write, bytes: content })
      }
    }
    if (write.sectors.size > 0) this.cache.push(write)
  }

  /** What a flush that begins now covers: for flushed(), once it has taken its time. */
  flushing(): number {
    return this.written
  }

  flushed(covered: number): void {
    if (!this.powered || this.lies) return
    const first = this.cache.findIndex(({ number }) => number > covered)
    const done = first < 0 ? this.cache : this.cache.slice(0, first)
    this.cache = first < 0 ? [] : this.cache.slice(first)
    for (const write of done) {
      this.keep(write, () => true)
      for (const sector of write.sectors.keys()) {
        if (this.latest.get(sector)?.write === write) this.latest.delete(sector)
      }
    }
  }

  /** Nothing is read, written or flushed any more, and the image has what has survived. */
  cut(survival: Survival, random: Random): Losses {
    this.powered = false
    let lost = 0
    for (const write of this.cache) {
      const survives = random.chance(survival.write)
      const kept = this.keep(write, () => survives && random.chance(survival.block))
      if (kept < write.sectors.size) lost++
    }
    return { cached: this.cache.length, lost }
  }

  /** Asks for each block. Answers with how many sectors were kept. */
  private keep({ sectors }: Write, isKept: (block: number) => boolean): number {
    const blocks = new Map<number, boolean>()
    let kept = 0
    for (const [sector, bytes] of sectors) {
      const block = Math.floor((sector * SECTOR) / BLOCK)
      const keeps = blocks.get(block) ?? isKept(block)
      blocks.set(block, keeps)
      if (!keeps) continue
      writeSync(this.image, bytes, 0, SECTOR, sector * SECTOR)
      kept++
    }
    return kept
  }

  private forget(sector: number): void {
    if (!this.latest.delete(sector)) return
    for (const { sectors } of this.cache) sectors.delete(sector)
  }
}
