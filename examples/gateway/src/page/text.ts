// Text that others wrote, made fit to be shown, in a page or a terminal: what cannot be seen, or changes how its neighbours
// are seen, is named instead, and it has an end. Text that was made fit once does not change again.

/** Labels and sentences are shorter. */
const MOST = 300
/** Control characters, formats such as those that turn the direction of writing, halves of pairs, separators of lines. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu
/** More marks than any script stacks on one letter. */
const STACKED = /(\p{M}{4})\p{M}+/gu

export function shown(text: string, most = MOST): string {
  const start = text.slice(0, 2 * most + 2) // at least one character too many, if there is one
  const characters = Array.from(start.replace(UNSEEN, nameOf).replace(STACKED, '$1'))
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : characters.join('')
}

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return String.fromCharCode(0x2400 + code) // the pictures of these characters
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
}
