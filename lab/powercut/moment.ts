// When the power goes: at a command of the disk, at an acknowledgement, or at any time. A seed decides which; what is under way
// then, the machine does.
import type { Random } from '../history/random.js'

export type Event = 'command' | 'flush' | 'acknowledgement' | 'millisecond'

export interface Moment {
  /** From where on it is counted; milliseconds from the first acknowledgement. */
  readonly from: 'start' | 'ready'
  readonly event: Event
  readonly count: number
}

const EVENTS: readonly [Event, ...Event[]] = ['command', 'flush', 'acknowledgement', 'millisecond']

/** So often the guest does not come to its writing: mounting and repairing are cut off as well. */
const EARLY = 0.12
const MOST: Readonly<Record<Event, number>> = { command: 400, flush: 120, acknowledgement: 150, millisecond: 3000 }
const LONGEST_START = 400

export function momentOf(random: Random): Moment {
  if (random.chance(EARLY)) return { from: 'start', event: 'command', count: 1 + random.below(LONGEST_START) }
  const event = random.pick(EVENTS)
  return { from: 'ready', event, count: 1 + random.below(MOST[event]) }
}

export function inWords({ from, event, count }: Moment): string {
  return `${event} ${count}${from === 'start' ? ' of the start' : ''}`
}
