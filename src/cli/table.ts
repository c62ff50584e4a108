// Rows in columns, each as wide as its widest cell; on a terminal that is too narrow, the widest of those that may be
// cut give way.
import { painted, widthOf, type Terminal } from './terminal.js'
import type { Style } from './styles.js'
import { cut, widthOfText } from './text.js'

export interface Column {
  readonly title: string
  /** Numbers. */
  readonly right?: boolean
  /** May be cut, down to its title. */
  readonly cut?: boolean
}

/** Text that was escaped, and how it looks. */
export type Cell = string | { readonly text: string; readonly style: Style }

const GAP = '  '

/** The lines of a table, its titles first; without ends of lines. */
export function table(terminal: Terminal, columns: readonly Column[], rows: readonly (readonly Cell[])[]): string[] {
  const widths = fitted(terminal, columns, rows)
  const line = (cells: readonly Cell[]): string => {
    const texts = columns.map((column, index) => {
      const cell = cells[index] ?? ''
      const { text, style } = typeof cell === 'string' ? { text: cell, style: null } : cell
      const width = widths[index] ?? 0
      const shown = cut(text, width)
      const space = ' '.repeat(width - widthOfText(shown))
      const styled = style === null ? shown : painted(terminal, style, shown)
      if (column.right === true) return space + styled
      return index === columns.length - 1 ? styled : styled + space
    })
    return texts.join(GAP).trimEnd()
  }
  return [line(columns.map(({ title }) => ({ text: title, style: 'bold' }))), ...rows.map(line)]
}

function fitted(terminal: Terminal, columns: readonly Column[], rows: readonly (readonly Cell[])[]): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOfText(title), ...rows.map((cells) => widthOfText(textOf(cells[index] ?? '')))),
  )
  const most = widthOf(terminal)
  const total = (): number => widths.reduce((sum, width) => sum + width, GAP.length * (columns.length - 1))
  while (total() > most) {
    const widest = columns.reduce((best, { title, cut = false }, index) => {
      const width = widths[index] ?? 0
      return cut && width > widthOfText(title) && width > (widths[best] ?? 0) ? index : best
    }, -1)
    if (widest === -1) break
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text
}
