// What the demonstration has found: as a table for a terminal, as one for the README, and as JSON.
import type { Incident } from '../lock-files/rules.js'
import type { Totals } from '../ledger/ledger.js'

export { Progress } from './progress.js'

/** One incident, in one of the two ways. The ledger has counted all of it in the files (ledger.ts). */
export interface IncidentResult {
  readonly incident: Incident
  readonly title: string
  readonly way: 'holdfast' | 'lock file'
  /** What became of the session, in a few words. */
  readonly happened: string
  /** Milliseconds until the session answered again; null if it did not while the demonstration waited. */
  readonly recovered: number | null
  /** So many milliseconds it waited for that, at most. */
  readonly patience: number
  /** Milliseconds that a run might take, in both ways. */
  readonly lane: number
  readonly messages: { readonly sent: number; readonly answered: number; readonly lost: number }
  readonly lines: {
    readonly acknowledged: number
    readonly lost: number
    readonly doubled: number
    readonly damaged: number
  }
  /** Of the store. */
  readonly updates: { readonly acknowledged: number; readonly lost: number }
  readonly answers: { readonly doubled: number; readonly disordered: number }
  readonly ok: boolean
  /** The waits and ages of its lock files are those of the report divided by this: there, it took so many times as long. */
  readonly factor?: number
  /** Everything that was found, a sentence for each. */
  readonly problems: readonly string[]
}

/** All sessions of the gateway on holdfast, from its first message to its last. */
export interface WholeRun extends Totals {
  readonly ok: boolean
  readonly problems: readonly string[]
}

/** What `--json` prints. Fields are added to it, and neither renamed nor taken away. */
export interface JsonReport {
  readonly version: 1
  /** As passed() says. */
  readonly ok: boolean
  readonly incidents: readonly IncidentResult[]
  readonly whole: WholeRun
}

/** Everything was tried on holdfast, and nothing was lost or done twice; whatever became of the lock files. */
export function passed(results: readonly IncidentResult[], whole: WholeRun): boolean {
  const ours = results.filter(({ way }) => way === 'holdfast')
  return ours.length > 0 && ours.every(isWell) && whole.ok
}

function isWell({ ok, recovered }: IncidentResult): boolean {
  return ok && recovered !== null
}

export function asJson(results: readonly IncidentResult[], whole: WholeRun): string {
  const report: JsonReport = { version: 1, ok: passed(results, whole), incidents: results, whole }
  return `${JSON.stringify(report, null, 2)}\n`
}

/** Whether to write colours to it: https://no-color.org */
export function wantsColours(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && (env.NO_COLOR ?? '') === ''
}

interface Column {
  readonly head: readonly [string, string]
  readonly width: number
  readonly isNumber?: true
}

/** 110 characters with what is between them. */
const COLUMNS: readonly Column[] = [
  { head: ['', 'incident'], width: 20 },
  { head: ['', 'way'], width: 9 },
  { head: ['', 'what happened to the session'], width: 34 },
  { head: ['recovered', 'after'], width: 11, isNumber: true },
  { head: ['messages', 'lost'], width: 10, isNumber: true },
  { head: ['lines', 'lost'], width: 6, isNumber: true },
  { head: ['lines', 'doubled'], width: 8, isNumber: true },
]
const BETWEEN = '  '

/** A part of a cell that fits its column. */
interface Piece {
  readonly text: string
  readonly paint?: Paint | undefined
}

type Paint = (text: string) => string

const red: Paint = (text) => `\x1b[31m${text}\x1b[39m`
const green: Paint = (text) => `\x1b[32m${text}\x1b[39m`
const dim: Paint = (text) => `\x1b[2m${text}\x1b[22m`
const bold: Paint = (text) => `\x1b[1m${text}\x1b[22m`

/** At most 110 columns wide, of ASCII but for the colours; ends with a newline. */
export function table(
  results: readonly IncidentResult[],
  whole: WholeRun,
  { colours }: { readonly colours: boolean },
): string {
  const painted = (text: string, paint: Paint | undefined): string => {
    return colours && paint !== undefined && text !== '' ? paint(text) : text
  }
  const row = (pieces: readonly (Piece | undefined)[]): string => {
    const cells = COLUMNS.map(({ width, isNumber }, index) => {
      const { text, paint } = pieces[index] ?? { text: '' }
      const space = ' '.repeat(Math.max(0, width - text.length))
      return isNumber === true ? space + painted(text, paint) : painted(text, paint) + space
    })
    return cells.join(BETWEEN).trimEnd()
  }
  const head = [0, 1].map((line) => row(COLUMNS.map(({ head }) => ({ text: head[line] ?? '', paint: dim }))))
  const rule = painted(COLUMNS.map(({ width }) => '-'.repeat(width)).join(BETWEEN), dim)
  const blocks = byIncident(results).map((block) => rowsOf(block).map(row).join('\n'))
  const width = COLUMNS.reduce((sum, column) => sum + column.width + BETWEEN.length, -BETWEEN.length)
  const notes = footnotes(results).flatMap((note) => wrapped(note, width))
  const [verdict, paint] = passed(results, whole)
    ? ['With holdfast nothing was lost, doubled, disordered or damaged.', green]
    : ['With holdfast NOT everything is well:', red]
  const end = [...wrapped(inAll(whole), width), painted(verdict, paint), ...failures(results, whole)]
  return `${[...head, rule, blocks.join('\n\n'), rule, ...notes, '', ...end].join('\n')}\n`
}

/** The rows of one incident: the title runs down beside both ways. */
function rowsOf(block: readonly IncidentResult[]): (Piece | undefined)[][] {
  const [first] = block
  const width = (column: number): number => COLUMNS[column]?.width ?? 0
  const title = first === undefined ? [] : wrapped(`${first.incident} ${first.title}`, width(0))
  const rows = block.flatMap((result) => {
    const { way, ok, recovered, messages, lines } = result
    const happened = wrapped(whatHappened(result), width(2))
    return happened.map((text, line): (Piece | undefined)[] => {
      if (line > 0) return [undefined, undefined, { text }]
      return [
        undefined,
        { text: way, paint: ok ? green : red },
        { text },
        { text: recoveredText(result), paint: recovered === null ? red : undefined },
        { text: `${messages.lost} of ${messages.sent}`, paint: messages.lost > 0 ? red : undefined },
        { text: String(lines.lost), paint: lines.lost > 0 ? red : undefined },
        { text: String(lines.doubled), paint: lines.doubled > 0 ? red : undefined },
      ]
    })
  })
  const height = Math.max(rows.length, title.length)
  return Array.from({ length: height }, (_, line) => {
    const text = title[line]
    return [text === undefined ? undefined : { text, paint: bold }, ...(rows[line] ?? []).slice(1)]
  })
}

/** What it says of itself, and all that was found and has no column of its own. */
function whatHappened({ happened, lines, updates, answers }: IncidentResult): string {
  const counts: [number, string, string][] = [
    [answers.doubled, 'message answered twice', 'messages answered twice'],
    [answers.disordered, 'answer out of order', 'answers out of order'],
    [lines.damaged, 'line damaged', 'lines damaged'],
    [updates.lost, 'update of the store lost', 'updates of the store lost'],
  ]
  const found = counts
    .filter(([count]) => count > 0)
    .map(([count, one, more]) => `${count} ${count === 1 ? one : more}`)
  return [happened, ...found].join('; ')
}

function recoveredText({ recovered, patience }: IncidentResult): string {
  return recovered === null ? `> ${duration(patience)}` : duration(recovered)
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

function inAll({ messages, lines, updates }: WholeRun): string {
  const told = [
    `${messages.answered} of ${messages.sent} messages answered`,
    `${lines.acknowledged} lines acknowledged and ${lines.lost} of them lost`,
    `${updates.acknowledged} updates of the store and ${updates.lost} of them lost`,
  ]
  return `holdfast, all sessions from beginning to end: ${told.join(', ')}.`
}

function failures(results: readonly IncidentResult[], whole: WholeRun): string[] {
  const ours = results.filter(({ way }) => way === 'holdfast')
  if (ours.length === 0) return ['  it was not tried']
  const found = ours
    .filter((result) => !isWell(result))
    .flatMap((result) => {
      const late = `the session did not answer again within ${duration(result.patience)}`
      const problems = [...(result.recovered === null ? [late] : []), ...result.problems]
      return problems.map((problem) => `  ${result.incident} ${ascii(problem)}`)
    })
  return [...found, ...whole.problems.map((problem) => `  in all ${ascii(problem)}`)]
}

/** By which numbers times were divided, and what a time that was not reached looks like. */
function footnotes(results: readonly IncidentResult[]): string[] {
  const notes = []
  if (results.some(({ recovered }) => recovered === null)) {
    notes.push('">" is: not while the demonstration waited.')
  }
  const factors = new Map<number, string[]>()
  for (const { factor, incident } of results) {
    if (factor !== undefined && factor !== 1) factors.set(factor, [...(factors.get(factor) ?? []), incident])
  }
  if (factors.size > 0) {
    const parts = [...factors].map(([factor, incidents]) => `${factor} (${[...new Set(incidents)].join(', ')})`)
    notes.push(
      `Waits and ages of lock files are those of the reports divided by ${parts.join(' and by ')}: there, everything ` +
        'took so many times as long.',
    )
  }
  for (const lane of new Set(results.filter(isEndedByLane).map((result) => result.lane))) {
    notes.push(`A run may take ${duration(lane)} in both ways; I-2 and I-3 of holdfast wait for that.`)
  }
  notes.push(
    'Lost is a message without an answer: refused with an error, or taken and never answered. On lock files a run holds the ' +
      "lock of its session's files, as in the reports; on holdfast it holds a turn, and the files for each write.",
  )
  return notes
}

/** What its run held ends with its lane. */
function isEndedByLane({ incident, way }: IncidentResult): boolean {
  return way === 'holdfast' && (incident === 'I-2' || incident === 'I-3')
}

function byIncident(results: readonly IncidentResult[]): IncidentResult[][] {
  const blocks = new Map<string, IncidentResult[]>()
  for (const result of results) blocks.set(result.incident, [...(blocks.get(result.incident) ?? []), result])
  return [...blocks.values()]
}

/** Lines of so many characters at most. Words that are longer are cut. */
function wrapped(text: string, width: number): string[] {
  const lines = ['']
  for (const word of ascii(text).split(' ')) {
    for (let rest = word; rest !== ''; rest = rest.slice(width)) {
      const part = rest.slice(0, width)
      const line = lines.at(-1) ?? ''
      if (line === '') lines[lines.length - 1] = part
      else if (line.length + 1 + part.length <= width) lines[lines.length - 1] = `${line} ${part}`
      else lines.push(part)
    }
  }
  return lines
}

/** One character, one column; none that a terminal obeys. */
function ascii(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[^ -~]/gu, '?')
}

/** The same for a page. Ends with a newline. */
export function markdownTable(results: readonly IncidentResult[]): string {
  const head = COLUMNS.map(({ head }) => head.filter((part) => part !== '').join(' '))
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rows = byIncident(results).flatMap((block) =>
    block.map((result, index) => {
      const { incident, title, way, messages, lines } = result
      return line([
        index === 0 ? `**${incident}** ${markdown(title)}` : '',
        way,
        markdown(whatHappened(result)),
        markdown(recoveredText(result)),
        `${messages.lost} of ${messages.sent}`,
        String(lines.lost),
        String(lines.doubled),
      ])
    }),
  )
  const notes = footnotes(results).map(markdown)
  const align = COLUMNS.map(({ isNumber }) => (isNumber === true ? '---:' : '---'))
  return `${[line(head), line(align), ...rows, ...(notes.length > 0 ? ['', notes.join(' ')] : [])].join('\n')}\n`
}

function markdown(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_|[\]]/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
}

const BEGIN = '<!-- demo -->'
const END = '<!-- /demo -->'

/** A page with the block between its marks replaced. */
export function withBlock(page: string, block: string): string {
  const [before, inside, ...others] = page.split(BEGIN)
  const after = inside?.split(END)
  if (before === undefined || others.length > 0 || after?.length !== 2) {
    throw new Error(`the page must have ${BEGIN} and, behind it, ${END}, once`)
  }
  return `${before}${BEGIN}\n\n${block.trim()}\n\n${END}${after[1] ?? ''}`
}
