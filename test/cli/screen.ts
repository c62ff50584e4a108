// What a terminal shows after all that was written to it: enough of one to follow a program that draws in place.
import { widthOfText } from '../../src/cli/text.js'

const SEQUENCE = /^\x1b\[([?\d;]*)([A-Za-z])/ // eslint-disable-line no-control-regex

export class Seen {
  /** Of the second screen, which programs draw on. */
  readonly rows: string[] = []
  /** The first screen, which is the user's. */
  first = ''
  onSecond = false
  cursor = true
  wraps = true
  /** How often all was wiped. */
  wiped = 0
  /** Every line of the second screen that ever was, with the row that it was in. */
  readonly drawn: { readonly row: number; readonly text: string }[] = []
  #row = 0

  constructor(output: string) {
    for (let rest = output; rest !== '';) {
      const [all, argument = '', kind = ''] = SEQUENCE.exec(rest) ?? []
      if (all === undefined) {
        const end = rest.indexOf('\x1b', 1)
        const text = end === -1 ? rest : rest.slice(0, end)
        this.#write(text)
        rest = rest.slice(text.length)
      } else {
        this.#obey(argument, kind)
        rest = rest.slice(all.length)
      }
    }
    this.#note()
  }

  /** Of everything that was ever drawn. */
  get widest(): number {
    return Math.max(0, ...this.drawn.map(({ text }) => widthOfText(text)))
  }

  get lowest(): number {
    return Math.max(0, ...this.drawn.map(({ row }) => row + 1))
  }

  #write(text: string): void {
    if (this.onSecond) this.rows[this.#row] = (this.rows[this.#row] ?? '') + text
    else this.first += text
  }

  #obey(argument: string, kind: string): void {
    const set = kind === 'h'
    if (argument === '?1049') {
      this.#note()
      this.onSecond = set
    } else if (argument === '?25') this.cursor = set
    else if (argument === '?7') this.wraps = set
    else if (kind === 'H') {
      this.#note()
      this.#row = Number(argument.split(';')[0] ?? 1) - 1
      if (argument === '') this.#row = 0
    } else if (kind === 'K') this.rows[this.#row] = ''
    else if (kind === 'J') {
      this.rows.length = 0
      this.wiped++
    } else if (kind !== 'm') throw new Error(`an escape sequence that nobody expects: ${argument}${kind}`)
  }

  #note(): void {
    const text = this.rows[this.#row]
    if (this.onSecond && text !== undefined && text !== '') this.drawn.push({ row: this.#row, text })
  }
}
