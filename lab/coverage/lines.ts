// The lines of one source: which of them do something, and how many of these were reached.

export interface FileLines {
  /** In the project. */
  readonly file: string
  readonly texts: readonly string[]
  /** By number, from 1: whether it was reached. Lines that do nothing are not in it. */
  readonly reached: ReadonlyMap<number, boolean>
}

export interface Line {
  readonly file: string
  readonly number: number
  readonly text: string
}

export function linesOf({ file, texts, reached }: FileLines, which: boolean): Line[] {
  return [...reached]
    .filter(([, was]) => was === which)
    .map(([number]) => ({ file, number, text: texts[number - 1]?.trim() ?? '' }))
    .sort((one, other) => one.number - other.number)
}
