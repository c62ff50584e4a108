// A row as Markdown, for the terminal and for RESULTS.md.
import { digits, duration } from './stats.mjs'

export function rowMarkdown({
  title,
  unit,
  notes,
  entries,
  columns,
  lines,
  baseline,
  checks,
  warnings = [],
  plotFile,
}) {
  const parts = [`## ${title}`]
  if (plotFile !== undefined) parts.push(`![${title}](${plotFile})`)
  parts.push(columns === undefined ? entriesTable(entries, unit, baseline) : table(columns, lines))
  if (notes !== undefined) parts.push(notes)
  for (const warning of warnings) parts.push(`**Warning**: ${warning}.`)
  if (checks.length > 0) parts.push(checksTable(checks))
  return parts.join('\n\n')
}

export function checksTable(checks) {
  return table(
    ['', 'target', 'result', ''],
    checks.map(({ what, target, result, met }) => [
      what,
      target,
      result,
      met === null ? '—' : met ? 'met' : '**missed**',
    ]),
  )
}

export function environmentList({ processor, system, node, filesystem, compiler }) {
  return [
    `- Processor: ${processor}`,
    `- System: ${system}`,
    `- Node: ${node}`,
    `- Filesystem: ${filesystem}`,
    `- Baseline: C, ${compiler}`,
  ].join('\n')
}

function entriesTable(entries, unit, baseline) {
  const base = entries.find(({ name }) => name === baseline)?.median
  const lines = entries.map(({ name, median, p99, reason }) => {
    if (reason !== undefined) return [name, `not run: ${reason}`, '', '']
    return [name, duration(median), p99 === undefined ? '—' : duration(p99), `${digits(median / base)} ×`]
  })
  return table([unit, 'median', 'p99', `against ${baseline}`], lines)
}

export function table(head, lines) {
  const width = head.length
  const line = (cells) => `| ${Array.from({ length: width }, (_, index) => cells[index] ?? '').join(' | ')} |`
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...lines.map(line)].join('\n')
}
