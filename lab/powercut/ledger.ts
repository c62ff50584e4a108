// What was acknowledged, and whether the files have it: compared on the host, by nothing of what is checked. Everything is
// judged by the bytes of the files as the guest found them after a cut, and once more after it has opened them.
import type { Acknowledged, Stage } from './messages.js'
import { countAt, isStored, laneOf, lineOf, STORE, STORE_LANE, TRANSCRIPT } from './workload.js'

const NEWLINE = 10
const NUL = 0

/** What a guest told between its start and its being ready. */
export class Sighting {
  private readonly files: Record<Stage, Map<string, Buffer>> = { found: new Map(), repaired: new Map() }
  readonly locks: { readonly name: string; readonly free: boolean }[] = []
  read: { readonly values: number; readonly damaged: number; readonly stored: string } | null = null

  add(stage: Stage, name: string, bytes: Buffer): void {
    this.files[stage].set(name, bytes)
  }

  /** A file that is not there has nothing. */
  bytesOf(stage: Stage, name: string): Buffer {
    return this.files[stage].get(name) ?? Buffer.alloc(0)
  }

  has(stage: Stage, name: string): boolean {
    return this.files[stage].has(name)
  }

  names(stage: Stage): string[] {
    return [...this.files[stage].keys()]
  }
}

export interface Judgement {
  readonly violations: readonly string[]
  /** Bytes of a last line without an end; 0: there was none. */
  readonly torn: number
  /** Lines that are no JSON, before anything was repaired, and those that remained. */
  readonly damaged: number
  readonly remaining: number
  /** Lines of earlier boots and of this one. */
  readonly lines: number
  /** The lock file has no record any more: nobody made that durable. */
  readonly forgotten: boolean
}

export class Ledger {
  /** By the name of a lane: what was acknowledged since the last judgement. */
  private readonly acknowledged = new Map<string, number>()
  /** The bytes that the transcript had then, and what the store had. */
  private kept: Buffer = Buffer.alloc(0)
  private updates: ReadonlyMap<string, number> = new Map()
  /** Lines of each lane in `kept`. */
  private readonly standing = new Map<string, number>()

  acknowledge({ lane, number }: Acknowledged): void {
    this.acknowledged.set(lane, number)
  }

  /** Of what a guest saw after a cut. What it saw is what must be there after the next one. */
  judge(sighting: Sighting): Judgement {
    const violations: string[] = []
    const found = this.judgeTranscript(sighting.bytesOf('found', TRANSCRIPT), 'found', violations)
    const repaired = this.judgeTranscript(sighting.bytesOf('repaired', TRANSCRIPT), 'repaired', violations)
    if (repaired.torn > 0) violations.push(`${TRANSCRIPT} repaired: its last line has no end`)
    if (found.torn > 0) this.judgeAside(sighting, violations)
    if (repaired.damaged > found.damaged) {
      violations.push(`${TRANSCRIPT} repaired: a half line was made a damaged one, though its writer is dead`)
    }
    this.judgeStore(sighting, 'found', violations)
    const updates = this.judgeStore(sighting, 'repaired', violations)
    for (const { name, free } of sighting.locks) if (!free) violations.push(`the lock of ${name} was not free`)
    const { read } = sighting
    const all = linesOf(sighting.bytesOf('repaired', TRANSCRIPT))
    if (read !== null && (read.values + read.damaged !== all.length || read.damaged < repaired.damaged)) {
      violations.push(`${TRANSCRIPT}: its reader saw ${read.values} + ${read.damaged} lines of ${all.length}`)
    }
    if (read !== null && sighting.has('repaired', STORE) && !sighting.bytesOf('repaired', STORE).equals(textOf(read))) {
      violations.push(`${STORE}: its reader saw something else than its bytes`)
    }
    this.kept = sighting.bytesOf('repaired', TRANSCRIPT)
    for (const [lane, number] of repaired.standing) this.standing.set(lane, number)
    this.updates = updates
    this.acknowledged.clear()
    return {
      violations,
      torn: found.torn,
      damaged: found.damaged,
      remaining: repaired.damaged,
      lines: all.length,
      forgotten: all.length > 0 && (sighting.bytesOf('found', `${TRANSCRIPT}.hold`)[0] ?? NUL) === NUL,
    }
  }

  private judgeTranscript(
    bytes: Buffer,
    when: string,
    violations: string[],
  ): { torn: number; damaged: number; standing: ReadonlyMap<string, number> } {
    const say = (what: string): void => void violations.push(`${TRANSCRIPT} ${when}: ${what}`)
    const standing = new Map(this.standing)
    if (!bytes.subarray(0, this.kept.length).equals(this.kept)) {
      say(`the ${this.kept.length} bytes that it had at the start before are not the same (${bytes.length} now)`)
      return { torn: 0, damaged: 0, standing }
    }
    const added = bytes.subarray(this.kept.length)
    const lines = linesOf(added)
    const torn = added.length - (added.lastIndexOf(NEWLINE) + 1)
    let damaged = 0
    for (const text of lines) {
      const line = lineOf(text)
      if (line === 'damaged') damaged++
      else if (line === 'made up') say(`a line that nobody wrote: ${text.slice(0, 120)}`)
      else {
        const expected = (standing.get(line.lane) ?? 0) + 1
        if (line.number !== expected) say(`lane ${line.lane} goes on with ${line.number}, not ${expected}`)
        standing.set(line.lane, line.number)
      }
    }
    for (const lane of new Set([...standing.keys(), ...this.acknowledged.keys()])) {
      const { index } = laneOf(lane)
      if (index === STORE_LANE) continue
      const base = this.standing.get(lane) ?? 0
      const acknowledged = this.acknowledged.get(lane) ?? base
      const there = standing.get(lane) ?? 0
      const most = acknowledged + (base > 0 ? 0 : countAt(laneOf(lane), acknowledged + 1))
      if (there < acknowledged) say(`lane ${lane} has ${there} lines; ${acknowledged} were acknowledged`)
      if (there > most) say(`lane ${lane} has ${there} lines; it cannot have written more than ${most}`)
    }
    return { torn, damaged, standing }
  }

  /** The half line was moved, not thrown away. */
  private judgeAside(sighting: Sighting, violations: string[]): void {
    const bytes = sighting.bytesOf('found', TRANSCRIPT)
    const half = bytes.subarray(bytes.lastIndexOf(NEWLINE) + 1)
    const asides = sighting.names('repaired').filter((name) => name.startsWith(`${TRANSCRIPT}.torn-`))
    if (asides.some((name) => sighting.bytesOf('repaired', name).equals(half))) return
    violations.push(
      `${TRANSCRIPT}: ${half.length} bytes of a half line are nowhere${half.at(-1) === NUL ? ' (NULs)' : ''}`,
    )
  }

  private judgeStore(sighting: Sighting, stage: Stage, violations: string[]): ReadonlyMap<string, number> {
    const say = (what: string): void => void violations.push(`${STORE} ${stage}: ${what}`)
    const bytes = sighting.bytesOf(stage, STORE)
    const updates = sighting.has(stage, STORE) ? storedIn(bytes) : new Map<string, number>()
    if (updates === null) {
      say(`it is not whole: ${bytes.length} bytes`)
      return this.updates
    }
    for (const lane of new Set([...updates.keys(), ...this.updates.keys(), ...this.acknowledged.keys()])) {
      if (laneOf(lane).index !== STORE_LANE) continue
      const base = this.updates.get(lane) ?? 0
      const acknowledged = this.acknowledged.get(lane) ?? base
      const there = updates.get(lane) ?? 0
      if (there < acknowledged)
        say(`it is older than what was acknowledged: lane ${lane} at ${there}, not ${acknowledged}`)
      if (there > acknowledged + (base > 0 ? 0 : 1)) say(`lane ${lane} is at ${there}, after ${acknowledged}`)
    }
    return updates
  }
}

function linesOf(bytes: Buffer): string[] {
  return bytes.toString('latin1').split('\n').slice(0, -1)
}

/** Null where it is not whole. */
function storedIn(bytes: Buffer): ReadonlyMap<string, number> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return isStored(value) ? new Map(Object.entries(value.updates)) : null
  } catch {
    return null
  }
}

function textOf({ stored }: { readonly stored: string }): Buffer {
  return Buffer.from(`${stored}\n`)
}
