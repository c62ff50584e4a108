// Texts from records, paths and command lines, as they may be shown: whoever can write a lock file must not move a
// cursor, hide a line or forge one; and how wide they are.

/**
 * Control, formatting and bidirectional characters, halves of pairs, and separators of lines, as \x.. and \u.... What
 * visible() is to messages: the program starts faster without the library that has it.
 */
export function escaped(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    if (code <= 0xff) return NAMED.get(character) ?? `\\x${code.toString(16).padStart(2, '0')}`
    return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`
  })
}

const NAMED = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

const NARROWED = /^[\p{Mn}\p{Me}]$/u
const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u

/** Columns that a text without control characters takes on a terminal. */
export function widthOfText(text: string): number {
  let width = 0
  for (const character of text) width += columnsOf(character)
  return width
}

/** As much of it as fits; what is left out is told by an ellipsis. */
export function cut(text: string, width: number): string {
  if (widthOfText(text) <= width) return text
  let kept = ''
  let room = width - 1
  for (const character of text) {
    room -= columnsOf(character)
    if (room < 0) break
    kept += character
  }
  return width < 1 ? '' : kept + '…'
}

function columnsOf(character: string): number {
  if (NARROWED.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}
