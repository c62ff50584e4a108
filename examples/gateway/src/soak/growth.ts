// Whether a process came to use more and more. A life is judged by its last third against its first one, by the medians, so
// that a moment with much to do is no growth; and only if it was long enough for that to mean something.
import { CALM } from './plan.js'
import type { Sample } from './plot.js'

export type Measure = (typeof MEASURES)[number]

export interface Life {
  readonly process: string
  readonly life: number
  /** Milliseconds. */
  readonly length: number
  /** Null where it was not measured. */
  readonly ends: Readonly<Record<Measure, Ends | null>>
}

/** Medians of the first third of a life and of its last one. */
export interface Ends {
  readonly first: number
  readonly last: number
}

const MEASURES = ['memory', 'descriptors', 'threads'] as const

/** Milliseconds of a life that is judged. */
const LONG_ENOUGH = 60_000
const NO_LONG_LIFE = `no life of ${LONG_ENOUGH / 1000} s`
/** What is watched. */
export const PROCESSES = ['gateway', 'job'] as const
/** Fewer looks at a life than this say nothing of it. */
const ENOUGH = 15

const MIB = 2 ** 20

/**
 * The most that the last third may have more. Descriptors and threads come and go with the requests and waits of the moment,
 * but do not add up. Memory may: a transcript's summary names all that was ever said.
 */
const ALLOWED: Readonly<Record<Measure, (first: number) => number>> = {
  memory: (first) => first + 64 * MIB,
  descriptors: () => 12,
  threads: () => 8,
}

export const LIMITS =
  `in the last third of a life of ${LONG_ENOUGH / 1000} s and more, against the first: ` +
  `${ALLOWED.descriptors(0)} descriptors, ${ALLOWED.threads(0)} threads, ` +
  `as much memory again and ${ALLOWED.memory(0) / MIB} MiB`

export function livesOf(samples: readonly Sample[]): Life[] {
  const lives = new Map<string, Sample[]>()
  for (const sample of samples) {
    const name = `${sample.process} ${sample.life}`
    const its = lives.get(name) ?? []
    lives.set(name, its)
    its.push(sample)
  }
  return [...lives.values()].flatMap((its) => {
    const [first, last] = [its[0], its.at(-1)]
    if (first === undefined || last === undefined) return []
    const { process, life } = first
    const ends = {
      memory: endsOf(its, 'memory'),
      descriptors: endsOf(its, 'descriptors'),
      threads: endsOf(its, 'threads'),
    }
    return [{ process, life, length: last.at - first.at, ends }]
  })
}

/** One sentence for each life and measure that grew. */
export function growths(lives: readonly Life[]): string[] {
  return lives.filter(isLong).flatMap(({ process, life, ends }) =>
    MEASURES.flatMap((measure) => {
      const its = ends[measure]
      if (its === null || its.last - its.first <= ALLOWED[measure](its.first)) return []
      return [`${process}, life ${life}: its ${measure} grew from ${its.first} to ${its.last}`]
    }),
  )
}

/** Why it cannot be said whether a process grew; null if it can. */
export function whyNotJudged(lives: readonly Life[], process: string): string | null {
  const long = longOnes(lives, process)
  if (long.length === 0) return NO_LONG_LIFE
  const measured = long.some(({ ends }) => MEASURES.some((measure) => ends[measure] !== null))
  return measured ? null : 'it was not measured'
}

/**
 * One sentence for each process that had no life that is judged, in a soak of so many milliseconds that it should have had
 * one. Where the system does not tell what a process uses, that is nobody's fault.
 */
export function unjudged(lives: readonly Life[], length: number): string[] {
  if (length < CALM.until) return []
  const without = PROCESSES.filter((process) => longOnes(lives, process).length === 0)
  return without.map((process) => `the growth of the ${process} was not judged: ${NO_LONG_LIFE}`)
}

function longOnes(lives: readonly Life[], process: string): Life[] {
  return lives.filter((life) => life.process === process && isLong(life))
}

function isLong({ length }: Life): boolean {
  return length >= LONG_ENOUGH
}

/** The longest one of a process. */
export function longest(lives: readonly Life[], process: string): Life | undefined {
  return lives.filter((life) => life.process === process).sort((one, other) => other.length - one.length)[0]
}

function endsOf(samples: readonly Sample[], measure: Measure): Ends | null {
  const values = samples.flatMap((sample) => sample[measure] ?? [])
  if (values.length < ENOUGH) return null
  const third = Math.floor(values.length / 3)
  return { first: median(values.slice(0, third)), last: median(values.slice(-third)) }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
