// One session of a gateway. What is queued when the lock is granted is written under that one hold, in one transaction,
// together with the session's entry in the store; then the lock goes, so that other gateways can write in between. A message
// is acknowledged when the database has said that it is committed, and is tried again until then.
import { setTimeout as pause } from 'node:timers/promises'

import { Owner, type Hold } from 'holdfast'
import type { RemoteHoldfast } from 'holdfast/postgres'
import type { Pool } from 'pg'

import { whyOf, type Tell } from './events.js'
import { guarded } from './fenced.js'
import type { Json } from './json.js'
import { updateJson } from './store.js'
import { append, type Line, type Place } from './transcript.js'

/** Lines of one transaction. */
const MOST = 500
/** Milliseconds until what failed is tried again: twice as long each time. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 500

export interface SessionOptions {
  readonly session: string
  /** Who writes, for the store. */
  readonly by: string
  readonly locks: RemoteHoldfast
  readonly pool: Pool
  readonly tell: Tell
  /** Ends it: what is being written is finished, and nothing more is begun. */
  readonly signal: AbortSignal
}

/** What the store says of a session. */
export interface Entry {
  readonly [name: string]: Json
  readonly lines: number
  readonly last: string
  readonly by: string
}

export function lockOf(session: string): string {
  return `session:${session}`
}

export class Session {
  private readonly options: SessionOptions
  private readonly owner: Owner
  /** By their ids, in order. */
  private readonly queue = new Map<string, Line>()
  private working: Promise<void> | null = null

  constructor(options: SessionOptions) {
    this.options = options
    const { by, session, signal } = options
    this.owner = new Owner(`${by} ${session}`, { timeout: Infinity, signal })
  }

  /** A message that is sent again is one message. */
  write(line: Line): void {
    this.queue.set(line.id, line)
    this.working ??= this.work()
  }

  /** When everything is acknowledged, or it was ended. */
  async settled(): Promise<void> {
    await this.working
  }

  private async work(): Promise<void> {
    const { session, locks, tell, signal } = this.options
    let rest = FIRST_PAUSE
    while (this.queue.size > 0 && !this.owner.closed) {
      try {
        const write = (hold: Hold): Promise<void> => this.writeUnder(hold)
        await locks.withLock(lockOf(session), { owner: this.owner }, write)
        rest = FIRST_PAUSE
      } catch (error) {
        const ids = [...this.queue.keys()]
        if (ids.length > 0) tell({ event: 'unacknowledged', session, ids, why: whyOf(error) })
        await pause(rest, undefined, { signal }).catch(() => {})
        rest = Math.min(rest * 2, LONGEST_PAUSE)
      }
    }
    this.working = null // in one step with the look at the queue
  }

  private async writeUnder(hold: Hold): Promise<void> {
    const { session, by, pool, tell } = this.options
    const fence = hold.fence ?? 0
    tell({ event: 'granted', session, fence })
    hold.signal.addEventListener('abort', () => {
      tell({ event: 'lost', session, fence, held: hold.held, why: whyOf(hold.signal.reason) })
    })
    const lines = [...this.queue.values()].slice(0, MOST)
    const places = await guarded(pool, hold, async (writing) => {
      const places = await append(writing, session, lines)
      const added = places.filter((place) => place.added)
      const last = added.at(-1)
      if (last !== undefined) await updateJson(writing, session, (value) => entryAfter(value, added.length, last, by))
      return places
    })
    for (const { id, seq, added } of places) {
      this.queue.delete(id)
      tell({ event: 'acknowledged', session, id, seq, fence, added })
    }
  }
}

function entryAfter(value: Json, added: number, { id }: Place, by: string): Entry {
  const before = typeof value === 'object' && value !== null && 'lines' in value ? value.lines : 0
  return { lines: Number(before) + added, last: id, by }
}
