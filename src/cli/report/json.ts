// JSON for programs, which a person may yet see on a terminal: one line, and nothing in it that a terminal obeys.
export function jsonLine(value: unknown): string {
  const escapes = JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
      .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
      .join(''),
  )
  return `${escapes}\n`
}
