// What may happen, and a schedule of it that one seed decides.
//
// A step names no hold and no request, only "the n-th of those that there are": so any of them can be left out, and the rest
// still is a schedule. Each schedule has a character of its own, for a fault may need one thing often and another never.
import type { Mode } from '../../src/kernel/kernel.js'
import type { Random } from './random.js'

export interface Ask {
  readonly process: number
  readonly path: string
  readonly mode: Mode
  /** One of those that the process has; null: the request is its own owner. */
  readonly owner: number | null
  readonly maxHold: number
  readonly keep: boolean
  readonly record: boolean
  /** What the caller does when he is answered, in a microtask. */
  readonly then: Call | null
  /** What a listener of the hold's signal does, in the middle of the ending. */
  readonly onLoss: Call | null
  /** What a subscriber to the events does when he is told that the hold has ended. */
  readonly onEvent: Call | null
}

/** What a program does. */
export type Call =
  | (Ask & { readonly do: 'acquire'; readonly timeout: number })
  | (Ask & { readonly do: 'try' })
  | (Omit<Ask, 'path'> & { readonly do: 'acquire all'; readonly paths: readonly string[]; readonly timeout: number })
  | { readonly do: 'release own' }
  | {
      readonly do: 'release' | 'release again' | 'abort' | 'enter guard' | 'exit guard' | 'exit guard soon'
      readonly which: number
    }
  | { readonly do: 'collect' | 'assert held'; readonly which: number }
  | { readonly do: 'extend'; readonly which: number; readonly by: number }
  | { readonly do: 'close owner' | 'signal owner'; readonly process: number; readonly owner: number }
  | { readonly do: 'release all'; readonly process: number }

/** What the surroundings do. */
export type Turn =
  /** So many turns of the queue of microtasks; 0: until it is empty. */
  | { readonly do: 'microtasks'; readonly ticks: number }
  /** The event loop of a process: everything that is due, or one timer, or one thing that was put off to its next turn. */
  | { readonly do: 'loop' | 'timer' | 'immediate'; readonly process: number }
  /** One process is told of one settled wait. */
  | { readonly do: 'notice'; readonly which: number }
  /** One blocked thread gets its lock. */
  | { readonly do: 'wake'; readonly which: number }
  | { readonly do: 'pass'; readonly milliseconds: number }
  /** The wall clock is set. */
  | { readonly do: 'jump'; readonly milliseconds: number }
  | { readonly do: 'watch' }
  | { readonly do: 'watchdog sleeps' | 'threads are slow' | 'read only'; readonly on: boolean }
  | { readonly do: 'threads'; readonly most: number }
  | { readonly do: 'wait fails' | 'request fails'; readonly which: number }
  | { readonly do: 'end environment' | 'crash'; readonly process: number }
  | { readonly do: 'remove'; readonly path: string }
  | { readonly do: 'rename'; readonly path: string; readonly to: string }
  /** Until nothing can move any more, without time passing. */
  | { readonly do: 'rest' }

export type Step = Call | Turn

export interface Schedule {
  readonly processes: number
  readonly owners: number
  readonly steps: readonly Step[]
}

/** The last is another name of the first. */
export const PATHS = ['/a', '/b', '/c', '/x'] as const

type Kind = Step['do']
type Weights = Partial<Record<Kind, number>>

const CALLS = {
  acquire: 24,
  try: 4,
  'acquire all': 3,
  release: 14,
  'release again': 1,
  abort: 4,
  extend: 3,
  'enter guard': 4,
  'exit guard': 4,
  'exit guard soon': 2,
  collect: 2,
  'assert held': 2,
  'close owner': 1.5,
  'signal owner': 1.5,
  'release all': 1,
} satisfies Weights

const TURNS = {
  microtasks: 14,
  loop: 10,
  timer: 5,
  immediate: 5,
  notice: 8,
  wake: 8,
  pass: 6,
  watch: 2,
  jump: 0.5,
  'watchdog sleeps': 0.7,
  'threads are slow': 0.7,
  'read only': 0.3,
  threads: 0.7,
  'wait fails': 0.3,
  'request fails': 0.3,
  'end environment': 0.5,
  crash: 0.5,
  rest: 4,
} satisfies Weights

const REPLACEMENTS = { remove: 1, rename: 1 } satisfies Weights

/** A schedule without these would prove nothing. */
const ALWAYS: ReadonlySet<string> = new Set<Kind>([
  'acquire',
  'release',
  'microtasks',
  'loop',
  'notice',
  'pass',
  'rest',
])

/** What may be done in the middle of something else. */
const ANSWERS = { 'release own': 6, acquire: 4, try: 2, abort: 2, release: 2, 'enter guard': 2, 'close owner': 0.5 }
const IN_THE_MIDDLE = { acquire: 4, try: 2, abort: 2, release: 2 }

const SHORTEST = 20
const LONGEST = 300

export function schedule(random: Random): Schedule {
  const world = { processes: 1 + random.below(4), owners: 1 + random.below(3) }
  const writer = new Writer(random, world)
  const length = SHORTEST + random.below(LONGEST - SHORTEST)
  return { ...world, steps: Array.from({ length }, () => writer.step()) }
}

class Writer {
  private readonly random: Random
  private readonly world: { readonly processes: number; readonly owners: number }
  private readonly kinds: readonly (readonly [Kind, number])[]
  private readonly paths: readonly [string, ...string[]]
  private readonly shared: number
  private readonly owned: number
  private readonly limited: number
  private readonly reacting: number

  constructor(random: Random, world: { readonly processes: number; readonly owners: number }) {
    this.random = random
    this.world = world
    // Without replaced files more is certain.
    const weights: Weights = { ...CALLS, ...TURNS, ...(random.chance(0.3) ? REPLACEMENTS : {}) }
    this.kinds = entries(weights).map(([kind, weight]) => [kind, weight * this.liking(kind)])
    const paths = PATHS.filter(() => random.chance(0.4))
    this.paths = [PATHS[0], ...paths]
    this.shared = random.pick([0, 0.2, 0.5, 0.8])
    this.owned = random.pick([0, 0.3, 0.6, 0.9])
    this.limited = random.pick([0, 0.2, 0.6])
    this.reacting = random.pick([0, 0.3, 0.7])
  }

  step(): Step {
    return this.write(this.choose(this.kinds), true)
  }

  private liking(kind: Kind): number {
    return this.random.pick(ALWAYS.has(kind) ? [0.5, 1, 2] : [0, 0.5, 1, 3])
  }

  private choose(kinds: readonly (readonly [Kind, number])[]): Kind {
    let sum = 0
    for (const [, weight] of kinds) sum += weight
    let rest = (this.random.below(1e6) / 1e6) * sum
    for (const [kind, weight] of kinds) {
      rest -= weight
      if (rest < 0) return kind
    }
    return 'acquire'
  }

  private write(kind: Kind, reacts: boolean): Step {
    const { random, world } = this
    const which = random.below(64)
    const process = random.below(world.processes)
    switch (kind) {
      case 'acquire':
        return { do: kind, ...this.ask(process, reacts), path: random.pick(this.paths), timeout: this.timeout() }
      case 'try':
        return { do: kind, ...this.ask(process, reacts), path: random.pick(this.paths) }
      case 'acquire all': {
        const paths = this.paths.filter(() => random.chance(0.7))
        return { do: kind, ...this.ask(process, reacts), paths, timeout: random.pick([0, 3, 20, 200, 5000]) }
      }
      case 'release own':
      case 'watch':
      case 'rest':
        return { do: kind }
      case 'release':
      case 'release again':
      case 'abort':
      case 'enter guard':
      case 'exit guard':
      case 'exit guard soon':
      case 'collect':
      case 'assert held':
      case 'notice':
      case 'wake':
      case 'wait fails':
      case 'request fails':
        return { do: kind, which }
      case 'extend':
        return { do: kind, which, by: random.pick([0.5, 3, 30, Infinity]) }
      case 'close owner':
      case 'signal owner':
        return { do: kind, process, owner: random.below(world.owners) }
      case 'release all':
      case 'loop':
      case 'timer':
      case 'immediate':
      case 'end environment':
      case 'crash':
        return { do: kind, process }
      case 'microtasks':
        return { do: kind, ticks: random.pick([0, 0, 1, 2, 3]) }
      case 'pass':
        return { do: kind, milliseconds: random.pick([0.25, 1, 1, 5, 10, 60, 200, 1500]) }
      case 'jump':
        return { do: kind, milliseconds: random.pick([-86_400_000, -1000, 1000, 86_400_000]) }
      case 'watchdog sleeps':
      case 'threads are slow':
      case 'read only':
        return { do: kind, on: random.chance(0.5) }
      case 'threads':
        return { do: kind, most: random.pick([0, 1, 2, Infinity]) }
      case 'remove':
        return { do: kind, path: random.pick(this.paths) }
      case 'rename':
        return { do: kind, path: random.pick(this.paths), to: random.pick(this.paths) }
    }
  }

  private ask(process: number, reacts: boolean): Omit<Ask, 'path'> {
    const { random } = this
    return {
      process,
      mode: random.chance(this.shared) ? 'shared' : 'exclusive',
      owner: random.chance(this.owned) ? random.below(this.world.owners) : null,
      maxHold: random.chance(this.limited) ? random.pick([1, 5, 40]) : Infinity,
      keep: random.chance(0.1),
      record: !random.chance(0.1),
      then: this.reaction(ANSWERS, reacts),
      onLoss: this.reaction(IN_THE_MIDDLE, reacts),
      onEvent: this.reaction(IN_THE_MIDDLE, reacts),
    }
  }

  private timeout(): number {
    return this.random.pick([0, 1, 5, 50, Infinity, Infinity])
  }

  private reaction(weights: Weights, reacts: boolean): Call | null {
    if (!reacts || !this.random.chance(this.reacting)) return null
    const step = this.write(this.choose(entries(weights)), false)
    return isCall(step) ? step : null
  }
}

const CALL_KINDS: ReadonlySet<string> = new Set([...Object.keys(CALLS), 'release own'])

export function isCall(step: Step): step is Call {
  return CALL_KINDS.has(step.do)
}

function entries(weights: Weights): [Kind, number][] {
  const list: [Kind, number][] = []
  let kind: Kind
  for (kind in weights) list.push([kind, weights[kind] ?? 0])
  return list
}

/** For people. */
export function describe(step: Step): string {
  let text: string = step.do
  for (const [name, value] of Object.entries(step)) {
    if (name === 'do' || value === null || value === false) continue
    text += typeof value === 'object' ? ` ${name}=(…)` : ` ${name}=${value}`
  }
  return text
}
