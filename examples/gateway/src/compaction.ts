// What a compaction leaves of a transcript: exchanges that are over become one summary, which names every line it stands for.
import { Conversation } from './conversation.js'
import { reportOf, stamp, type Line, type Summary } from './lines.js'

/** So many exchanges stay as they are, for the model. */
const RECENT = 4

/**
 * The shorter transcript, or null if nothing of it is over. `summarize` may take its time. The order of what stays is that
 * of the lines.
 */
export async function shorten(
  lines: readonly Line[],
  summarize: (exchanges: number) => Promise<string>,
): Promise<Line[] | null> {
  const over = exchangesOver(lines)
  if (over.size === 0) return null
  const goes = (line: Line): boolean => {
    if (line.type === 'resumed') return false // what happened to the session stays to be seen
    return line.type === 'summary' || over.has(line.type === 'message' ? line.key : line.to)
  }
  const gone = lines.filter(goes)
  const text = await summarize(over.size)
  return [summaryOf(gone, text), ...lines.filter((line) => !goes(line))]
}

/** Messages that were answered, with nothing left for their sub-agents to do; all but the last of them. */
function exchangesOver(lines: readonly Line[]): ReadonlySet<string> {
  const busy = new Set(Array.from(Conversation.of(lines).tasks, ({ to }) => to))
  const answered = lines.filter((line) => line.type === 'answer').map(({ to }) => to)
  return new Set(answered.filter((key) => !busy.has(key)).slice(0, -RECENT))
}

/** Lists, not sets: what was there twice is named twice, and can be found out. */
function summaryOf(lines: readonly Line[], text: string): Summary {
  const [keys, messages, answers, reports]: [string[], string[], string[], string[]] = [[], [], [], []]
  for (const line of lines) {
    keys.push(line.key)
    if (line.type === 'message') messages.push(line.key)
    if (line.type === 'answer') answers.push(line.to)
    if (line.type === 'report') reports.push(reportOf(line.to, line.agent))
    if (line.type !== 'summary') continue
    keys.push(...line.keys)
    messages.push(...line.messages)
    answers.push(...line.answers)
    reports.push(...line.reports)
  }
  return { ...stamp('lane=compaction'), type: 'summary', text, keys, messages, answers, reports }
}
