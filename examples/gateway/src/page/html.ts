// Markup in which everything that is put in is escaped, unless it is markup already. The only way to make markup is the
// template below, so text cannot become markup by mistake. Put text between tags or into quoted attributes, and nowhere
// else: not into names, unquoted attributes, URLs, scripts or styles.
import { shown } from './text.js'

/** Not exported: nobody else can make one, and what came as JSON is none. */
class Markup {
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

export type Html = Markup
export type Content = string | number | Html | null | readonly Content[]

/** html`<p>${anything}</p>`; null is nothing, and a list its parts. */
export function html(strings: TemplateStringsArray, ...contents: Content[]): Html {
  return new Markup(strings.map((string, index) => string + markupOf(contents[index] ?? null)).join(''))
}

function markupOf(content: Content): string {
  if (content === null) return ''
  if (content instanceof Markup) return content.toString()
  if (typeof content === 'object') return content.map(markupOf).join('')
  return escaped(shown(String(content)))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

function escaped(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '')
}
