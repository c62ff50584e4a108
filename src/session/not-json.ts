// Why a text is no JSON, without a word of it. The parser's own error shows a part of the text: what is in a file is nobody's
// business who reads a log, and may be made to be printed there.

/** `cause` is the parser's. */
export function whyNotJson(text: string, cause: unknown): string {
  if (text.trim() === '') return text === '' ? 'it is empty' : 'there is only white space in it'
  if (/^\0+$/.test(text)) return 'there are only null bytes in it'
  const where = cause instanceof Error ? POSITION.exec(cause.message) : null
  return where === null ? 'it is not JSON' : `it is not JSON (position ${where[1]})`
}

/** At the end: what stands before it may be the text's. */
const POSITION = / at position (\d+)(?: \(line \d+ column \d+\))?$/
