// What a soak has come to: as a short table for a terminal, and as JSON.
import type { Totals } from '../ledger/ledger.js'
import type { Sample } from './plot.js'
import { growths, LIMITS, longest, PROCESSES, whyNotJudged, type Ends, type Life } from './growth.js'
import type { Kind, Planned } from './plan.js'

export interface SoakResult {
  readonly seed: number
  /** Milliseconds of traffic. */
  readonly length: number
  readonly totals: Totals
  /** Messages that the command line and the job have left. */
  readonly others: number
  /** How often each happened. */
  readonly incidents: Readonly<Partial<Record<Kind, number>>>
  readonly kills: number
  /** Of the gateway, one after another, and of the job. */
  readonly lives: readonly Life[]
  /** Milliseconds, of all locks; null if the gateway has told of none. */
  readonly longestWait: number | null
  readonly problems: readonly string[]
}

/** What soak.json says. Fields are added to it, and neither renamed nor taken away. */
export interface SoakJson extends SoakResult {
  readonly version: 1
  readonly ok: boolean
  /** Everything that happened, in order, and when it did. */
  readonly happened: readonly Planned[]
  readonly samples: readonly Sample[]
}

export function asJson(result: SoakResult, happened: readonly Planned[], samples: readonly Sample[]): string {
  const json: SoakJson = { version: 1, ok: isWell(result), ...result, happened, samples }
  return `${JSON.stringify(json, null, 1)}\n`
}

export function isWell({ problems }: SoakResult): boolean {
  return problems.length === 0
}

/** Ends with a newline. */
export function soakTable(result: SoakResult): string {
  const { seed, length, totals, others, incidents, kills, longestWait, lives, problems } = result
  const { messages, lines, updates, answers } = totals
  const counted = Object.entries(incidents).map(([kind, count]) => `${kind} ${count}`)
  const rows: [string, string][] = [
    ['seed', String(seed)],
    ['length', `${(length / 60_000).toFixed(1)} min`],
    ['messages', `${messages.sent}, of which ${others} came from other processes`],
    ['not answered', String(messages.lost)],
    ['answered twice', String(answers.doubled)],
    ['out of order', String(answers.disordered)],
    ['acknowledged lines', String(lines.acknowledged)],
    ['lost', String(lines.lost)],
    ['doubled', String(lines.doubled)],
    ['damaged', String(lines.damaged)],
    ['updates of the store', `${updates.acknowledged}, of which ${updates.lost} were lost`],
    ['incidents', counted.join(', ')],
    ['gateway killed', `${kills} times, in ${lives.filter(isGateway).length} lives`],
    ['longest wait', longestWait === null ? 'not told' : `${Math.round(longestWait)} ms`],
    ...PROCESSES.flatMap((process) => usageOf(longest(lives, process))),
    ...PROCESSES.map((process): [string, string] => [`growth of the ${process}`, growthOf(result, process)]),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const told = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
  const grown = hasNotGrown(result) ? ', and nothing grew without bound' : ''
  const verdict = isWell(result)
    ? [`Nothing was lost, doubled, disordered or damaged${grown}.`]
    : ['NOT everything is well:', ...problems.map((problem) => `  ${problem}`)]
  return `${[...told, `allowed is, ${LIMITS}`, '', ...verdict].join('\n')}\n`
}

/** Only of what was judged it can be said. */
function hasNotGrown(result: SoakResult): boolean {
  return PROCESSES.every((process) => growthOf(result, process) === 'none')
}

function growthOf({ lives }: SoakResult, process: string): string {
  const why = whyNotJudged(lives, process)
  if (why !== null) return `not judged: ${why}`
  const grown = growths(lives.filter((life) => life.process === process))
  return grown.length === 0 ? 'none' : 'too much'
}

function isGateway({ process }: Life): boolean {
  return process === 'gateway'
}

function usageOf(life: Life | undefined): [string, string][] {
  if (life === undefined) return []
  const { memory, descriptors, threads } = life.ends
  const parts = [
    `memory ${grown(memory, (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`)}`,
    `descriptors ${grown(descriptors, String)}`,
    `threads ${grown(threads, String)}`,
  ]
  return [[`longest ${life.process}`, `${(life.length / 1000).toFixed(0)} s: ${parts.join(', ')}`]]
}

function grown(ends: Ends | null, text: (value: number) => string): string {
  return ends === null ? 'not known' : `${text(ends.first)} to ${text(ends.last)}`
}
