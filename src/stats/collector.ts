// Counts what happens from its beginning to its end. What is held is asked, not counted, so it cannot drift; what is counted
// agrees with it.
import * as channels from '../channels.js'
import type * as events from '../events.js'
import type { HoldInfo } from '../hold-info.js'
import { Figures, type Counts } from './figures.js'
import { COARSE, FINE } from './times.js'

/** What is, beside what was counted. */
interface Now {
  /** How many holds last, by every holds(). */
  readonly held: number
  /** How many requests wait, of those made since collecting began. */
  readonly waiting: number
}

export interface FileStats extends Counts, Now {
  readonly lockfile: string
}

export interface Stats {
  readonly total: Counts & Now
  /** The files used last, the last one first. */
  readonly files: readonly FileStats[]
  /** How often a file was forgotten to make place for another one. It begins anew when it is used again. */
  readonly forgotten: number
}

/** What is known of a file of an event. */
interface OfFile {
  readonly lockfile: string
}

export class Collector {
  private readonly holds: () => HoldInfo[]
  private readonly most: number
  private readonly total = new Figures(FINE)
  /** The one used last is the last one. */
  private readonly files = new Map<string, Figures>()
  private forgotten = 0
  private readonly waits = new Set<events.AcquireTrace>()
  private readonly ends: (() => void)[]
  /** What there was when it was stopped. */
  private last: Stats | null = null

  constructor(holds: () => HoldInfo[], most: number) {
    this.holds = holds
    this.most = most
    holds() // ends what is past its deadline, before it is counted
    this.ends = [
      channels.held.count((event) => this.count(event, (figures) => figures.held(event))),
      channels.released.count((event) => this.count(event, (figures) => figures.released(event))),
      channels.revoked.count((event) => this.count(event, (figures) => figures.revoked(event))),
      channels.overrun.count((event) => this.count(event, (figures) => figures.overrun())),
      channels.recovered.count((event) => this.count(event, (figures) => figures.recovered())),
      channels.deadlocked.count((event) => this.count(event, (figures) => figures.deadlocked())),
      channels.fallbacks.add((event) => this.count(event, (figures) => figures.fellBack(event))),
      channels.countAcquires({
        waits: (trace) => {
          this.waits.add(trace)
          this.count(trace, (figures) => figures.queued(trace.queued))
        },
        answered: (trace) => {
          this.waits.delete(trace)
          this.count(trace, (figures) => figures.answered(trace))
        },
      }),
    ]
  }

  get stats(): Stats {
    if (this.last !== null) return this.last
    const holds = this.holds() // first, for it may end some
    const held = tally(holds)
    const waiting = tally(this.waits)
    const files = [...this.files].reverse().map(([lockfile, { counts }]) => {
      return { lockfile, held: held.get(lockfile) ?? 0, waiting: waiting.get(lockfile) ?? 0, ...counts }
    })
    const total = { held: holds.length, waiting: this.waits.size, ...this.total.counts }
    return { total, files, forgotten: this.forgotten }
  }

  reset(): void {
    if (this.last !== null) return
    this.holds() // what has ended already belongs to the time before
    this.total.reset()
    this.files.clear()
    this.forgotten = 0
  }

  stop(): void {
    this.last ??= this.stats
    for (const end of this.ends.splice(0)) end()
    this.files.clear()
    this.waits.clear()
  }

  private count({ lockfile }: OfFile, add: (figures: Figures) => void): void {
    add(this.total)
    if (this.most > 0) add(this.file(lockfile))
  }

  /** What is forgotten is used again for the new one: histograms lie outside of what the garbage collector sees. */
  private file(lockfile: string): Figures {
    const known = this.files.get(lockfile)
    this.files.delete(lockfile)
    const figures = known ?? this.forgetOldest() ?? new Figures(COARSE)
    this.files.set(lockfile, figures)
    return figures
  }

  /** Undefined while there is room. */
  private forgetOldest(): Figures | undefined {
    const oldest = this.files.entries().next().value
    if (oldest === undefined || this.files.size < this.most) return undefined
    const [lockfile, figures] = oldest
    this.files.delete(lockfile)
    this.forgotten++
    figures.reset()
    return figures
  }
}

function tally(all: Iterable<OfFile>): Map<string, number> {
  const numbers = new Map<string, number>()
  for (const { lockfile } of all) numbers.set(lockfile, (numbers.get(lockfile) ?? 0) + 1)
  return numbers
}
