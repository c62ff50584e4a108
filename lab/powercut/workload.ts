// What is written, so that everybody who knows a lane and a number knows the very bytes: the guest writes them, the host
// compares. Of some values every beginning is JSON too: a half line of those that is read as a whole one is not what was written.
import { Random } from '../history/random.js'

export const TRANSCRIPT = 'transcript.jsonl'
export const STORE = 'store.json'
export const PROCESSES = 2
const LANES = 3
const LONGEST_TEXT = 6000
const MOST_VALUES = 8
const MOST_NUMBERS = 150

/** One who appends or updates, one thing after the other. */
export interface Lane {
  readonly boot: number
  readonly process: number
  /** Of a process; the store's is the last one. */
  readonly index: number
}

export const STORE_LANE = LANES

export function lanesOf(boot: number, process: number): Lane[] {
  return Array.from({ length: LANES }, (_, index) => ({ boot, process, index }))
}

export function storeLaneOf(boot: number, process: number): Lane {
  return { boot, process, index: STORE_LANE }
}

export function nameOf({ boot, process, index }: Lane): string {
  return `${boot}.${process}.${index}`
}

export function laneOf(name: string): Lane {
  const [boot = 0, process = 0, index = 0] = name.split('.').map(Number)
  return { boot, process, index }
}

/** Lanes with this index write bare numbers. */
const OF_NUMBERS = 0
const NUMBER = /^1(\d{4})(\d)(\d)(\d{7})$/

export interface Line {
  readonly lane: string
  readonly number: number
}

/** The value that a lane appends as its `number`-th. */
export function valueOf(lane: Lane, number: number): unknown {
  const { boot, process, index } = lane
  if (index === OF_NUMBERS) return ((10_000 + boot) * 100 + process * 10 + index) * 10_000_000 + number
  const random = new Random(boot, process, index, number)
  const text = String.fromCharCode(97 + random.below(26)).repeat(random.below(LONGEST_TEXT))
  return { lane: nameOf(lane), number, text }
}

/** How many lines a lane appends at once, from that number on. */
export function countAt(lane: Lane, number: number): number {
  const random = new Random(lane.boot, lane.process, lane.index, number, 1)
  if (lane.index === OF_NUMBERS) return 1 + random.below(MOST_NUMBERS)
  return random.chance(0.5) ? 1 : 1 + random.below(MOST_VALUES)
}

/** Of a text between newlines: what was written so, or whether it is JSON though nobody wrote it, or none. */
export function lineOf(text: string): Line | 'made up' | 'damaged' {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'damaged'
  }
  const line = typeof value === 'object' ? claimed(value) : numbered(text)
  if (line === null) return 'made up'
  const { lane, number } = line
  return JSON.stringify(valueOf(lane, number)) === text ? { lane: nameOf(lane), number } : 'made up'
}

function numbered(text: string): { lane: Lane; number: number } | null {
  const [, boot, process, index, number] = NUMBER.exec(text) ?? []
  if (number === undefined) return null
  return { lane: { boot: Number(boot), process: Number(process), index: Number(index) }, number: Number(number) }
}

function claimed(value: object | null): { lane: Lane; number: number } | null {
  if (value === null || !('lane' in value) || !('number' in value)) return null
  const { lane, number } = value
  if (typeof lane !== 'string' || typeof number !== 'number') return null
  return { lane: laneOf(lane), number }
}

/** What the store has: how often each lane has updated it, and a text that follows from that, so that halves do not fit. */
export interface Stored {
  readonly updates: Record<string, number>
  readonly text: string
}

export const NOTHING_STORED: Stored = storedOf({})

export function storedOf(updates: Record<string, number>): Stored {
  const sum = Object.values(updates).reduce((total, count) => total + count, 0)
  const random = new Random(sum)
  return { updates, text: String.fromCharCode(97 + (sum % 26)).repeat(random.below(3 * LONGEST_TEXT)) }
}

export function isStored(value: unknown): value is Stored {
  if (typeof value !== 'object' || value === null || !('updates' in value) || !('text' in value)) return false
  const { updates } = value
  if (typeof updates !== 'object' || updates === null) return false
  const counts = Object.entries(updates).map(([lane, count]): [string, number] => [lane, Number(count)])
  return storedOf(Object.fromEntries(counts)).text === value.text
}
