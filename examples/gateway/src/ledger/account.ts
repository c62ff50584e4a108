// What became of one session: what stands in its file, compared with what was sent and what was promised.
import { reportOf } from '../lines.js'
import type { AcknowledgedLine } from './acknowledged.js'
import type { Standing } from './standing.js'

/** So many of what was found are named in a problem. */
const NAMED = 3

/** A message that somebody sent; once more for each time it was sent again. */
export interface Sent {
  readonly session: string
  readonly key: string
  /** By the client's clock, milliseconds since 1970. */
  readonly at: number
  /** Its sender was told that it is written. */
  readonly acknowledged: boolean
}

/** Everything is named by keys; reports by reportOf(). */
export interface SessionAccount {
  readonly session: string
  readonly messages: {
    readonly sent: readonly string[]
    readonly acknowledged: readonly string[]
    /** Sent, and in the file. */
    readonly kept: readonly string[]
    /** Sent, and answered. A failure is no answer. */
    readonly answered: readonly string[]
    /** Sent, and not answered. */
    readonly lost: readonly string[]
    /** Those of the lost to which a failure was written. */
    readonly failed: readonly string[]
    /** Acknowledged to the sender, and not in the file at all. */
    readonly gone: readonly string[]
  }
  readonly answers: {
    /** Messages with more than one. */
    readonly doubled: readonly string[]
    /** Messages whose answer stands behind the answer to a later message, or before the message. */
    readonly disordered: readonly string[]
  }
  readonly lines: {
    readonly acknowledged: readonly string[]
    readonly lost: readonly string[]
    /** Keys that stand there more often than they should: once; those of messages once for each time they were sent. */
    readonly doubled: readonly string[]
    /** Where they stand and how they begin. */
    readonly damaged: readonly string[]
    /** Lines that nobody can have written: messages that nobody sent, and what is about messages that are not there. */
    readonly unknown: readonly string[]
  }
  readonly reports: {
    readonly missing: readonly string[]
    readonly doubled: readonly string[]
    /** They are there, and say that the sub-agent could not do its work. */
    readonly failed: readonly string[]
  }
  /** Files with half lines, moved out of the transcript. They are nobody's loss: what was acknowledged is looked for. */
  readonly torn: readonly string[]
}

/** One session: what stands in its file, what was sent, and what was promised. */
export interface Case {
  readonly session: string
  readonly standing: Standing
  readonly sent: readonly Sent[]
  readonly promised: readonly AcknowledgedLine[]
}

/** `shared` are keys that more than one session has. */
export function accountOf(its: Case, shared: readonly string[]): SessionAccount {
  const { session, standing, promised } = its
  const there = new Set(standing.keys)
  const kept = new Set(standing.messages)
  const failed = failures(its)
  const answered = new Set(standing.answers.map(({ to }) => to).filter((to) => !failed.has(to)))
  const sent = unique(its.sent.map(({ key }) => key))
  const acknowledged = unique(its.sent.filter((message) => message.acknowledged).map(({ key }) => key))
  const lines = unique([...promised.map(({ key }) => key), ...acknowledged])
  const assigned = agentsOf(its)
  return {
    session,
    messages: {
      sent,
      acknowledged,
      kept: sent.filter((key) => kept.has(key)),
      answered: sent.filter((key) => answered.has(key)),
      lost: sent.filter((key) => !answered.has(key)),
      failed: sent.filter((key) => failed.has(key)),
      gone: acknowledged.filter((key) => !kept.has(key)),
    },
    answers: { doubled: repeated(standing.answers.map(({ to }) => to)), disordered: disordered(standing) },
    lines: {
      acknowledged: lines,
      lost: lines.filter((key) => !there.has(key)),
      doubled: unique([...doubled(its), ...shared.filter((key) => there.has(key))]),
      damaged: standing.damaged,
      unknown: unknown(its, assigned),
    },
    reports: {
      missing: missing(standing, assigned),
      doubled: repeated(standing.reports),
      failed: failedReports(its),
    },
    torn: standing.torn,
  }
}

/** Messages to which a failure was written, by the file, or for what a compaction took out by the log. */
function failures({ standing, promised }: Case): ReadonlySet<string> {
  const there = new Set(standing.keys)
  const written = standing.answers.flatMap(({ line }) => (line?.failed === true ? [line.to] : []))
  const noted = promised.flatMap(({ type, key, to, failed }) => {
    return type === 'answer' && failed === true && to !== undefined && there.has(key) ? [to] : []
  })
  return new Set([...written, ...noted])
}

/** Reports that are failures, known in the same two ways. */
function failedReports({ standing, promised }: Case): string[] {
  const there = new Set(standing.keys)
  const written = standing.lines.flatMap((line) => {
    return line.type === 'report' && line.failed === true ? [reportOf(line.to, line.agent)] : []
  })
  const noted = promised.flatMap(({ type, key, to, agent, failed }) => {
    if (type !== 'report' || failed !== true || to === undefined || agent === undefined) return []
    return there.has(key) ? [reportOf(to, agent)] : []
  })
  return unique([...written, ...noted])
}

/** How many sub-agents each answer asked for; by the file, or for what a compaction took out by the log. */
function agentsOf({ standing, promised }: Case): ReadonlyMap<string, number> {
  const there = new Set(standing.keys)
  const agents = new Map<string, number>()
  for (const { key, to, agents: count } of promised) {
    if (to !== undefined && count !== undefined && there.has(key)) agents.set(to, count)
  }
  for (const { line } of standing.answers) {
    if (line !== null) agents.set(line.to, Math.max(line.agents, agents.get(line.to) ?? 0))
  }
  return agents
}

function missing({ reports }: Standing, assigned: ReadonlyMap<string, number>): string[] {
  const there = new Set(reports)
  return [...assigned].flatMap(([to, agents]) => {
    return Array.from({ length: agents }, (_, agent) => reportOf(to, agent)).filter((name) => !there.has(name))
  })
}

function doubled({ standing, sent }: Case): string[] {
  const times = counts(sent.map(({ key }) => key))
  return [...counts(standing.keys)]
    .filter(([key, count]) => count > Math.max(1, times.get(key) ?? 0))
    .map(([key]) => key)
}

function unknown({ standing, sent, promised }: Case, assigned: ReadonlyMap<string, number>): string[] {
  const { lines, messages, answers, reports } = standing
  const known = new Set([...sent, ...promised].map(({ key }) => key))
  const there = new Set(messages)
  const answered = new Set(answers.map(({ to }) => to))
  const seen = new Set(lines.flatMap((line) => (line.type === 'report' ? [reportOf(line.to, line.agent)] : [])))
  return unique([
    ...messages.filter((key) => !known.has(key)),
    ...lines.flatMap((line) => ('to' in line && !there.has(line.to) ? [line.key] : [])),
    ...lines.flatMap((line) => {
      // How many agents an answer had that nobody noted before it was taken out, nobody can tell.
      if (line.type !== 'report' || !there.has(line.to)) return []
      return answered.has(line.to) && line.agent < (assigned.get(line.to) ?? Infinity) ? [] : [line.key]
    }),
    ...answers.flatMap(({ to, line }) => (line === null && !there.has(to) ? [to] : [])),
    ...reports.filter((name) => !seen.has(name) && !there.has(name.slice(0, name.lastIndexOf('/')))),
  ])
}

/** Messages that are not answered leave no gap here: they are lost, which is told elsewhere. */
function disordered({ messages, answers, early }: Standing): string[] {
  const places = new Map(messages.map((key, place) => [key, place]))
  const late: string[] = []
  let furthest = -1
  for (const key of unique(answers.map(({ to }) => to))) {
    const place = places.get(key)
    if (place === undefined) continue
    if (place < furthest) late.push(key)
    furthest = Math.max(furthest, place)
  }
  return unique([...late, ...early])
}

export interface TimedAnswer {
  readonly session: string
  /** When the message was sent, the first time. */
  readonly sent: number
  readonly at: number
}

export function timedAnswers(its: Case): TimedAnswer[] {
  const { session, standing, sent, promised } = its
  const there = new Set(standing.keys)
  const failed = failures(its)
  const times = new Map<string, number>()
  for (const { key, type, to, at } of promised) {
    if (type === 'answer' && to !== undefined && there.has(key)) times.set(to, at)
  }
  for (const { line } of standing.answers) if (line !== null) times.set(line.to, line.at)
  const first = new Map<string, number>()
  for (const { key, at } of sent) first.set(key, Math.min(at, first.get(key) ?? Infinity))
  return [...first].flatMap(([key, sent]) => {
    const at = times.get(key)
    return at === undefined || failed.has(key) ? [] : [{ session, sent, at }]
  })
}

/** One sentence for each kind of damage, with the first keys. */
export function problemsOf({ session, messages, answers, lines, reports }: SessionAccount): string[] {
  const found: [readonly string[], string][] = [
    [messages.lost.filter((key) => !messages.failed.includes(key)), 'messages that were never answered'],
    [messages.failed, 'messages that were answered by a failure'],
    [messages.gone, 'messages that were acknowledged and are not in the file'],
    [answers.doubled, 'messages that were answered more than once'],
    [answers.disordered, 'messages that were answered out of order'],
    [lines.lost.filter((key) => !messages.gone.includes(key)), 'acknowledged lines that are lost'],
    [lines.doubled, 'lines that stand there more than once'],
    [lines.damaged, 'lines that are damaged'],
    [lines.unknown, 'lines that nobody can have written'],
    [reports.missing, 'reports of sub-agents that are missing'],
    [reports.doubled, 'reports of sub-agents that stand there more than once'],
    [reports.failed, 'reports of sub-agents that are failures'],
  ]
  return found
    .filter(([names]) => names.length > 0)
    .map(([names, what]) => `${session}: ${what}: ${names.length} (${listed(names)})`)
}

/** How many of them there are is told elsewhere. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, NAMED).join(', ')
  return names.length > NAMED ? `${first} and ${names.length - NAMED} more` : first
}

function counts(keys: readonly string[]): Map<string, number> {
  const counted = new Map<string, number>()
  for (const key of keys) counted.set(key, (counted.get(key) ?? 0) + 1)
  return counted
}

export function repeated(keys: readonly string[]): string[] {
  return [...counts(keys)].filter(([, count]) => count > 1).map(([key]) => key)
}

export function unique(keys: readonly string[]): string[] {
  return [...new Set(keys)]
}
