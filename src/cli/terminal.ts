// Where a command writes to. Colour and cursor movements only where a person watches: never into a pipe or a file.
export interface Terminal {
  readonly out: NodeJS.WriteStream
  readonly err: NodeJS.WriteStream
  /** Whether `out` may carry colour: a terminal, NO_COLOR unset, TERM not "dumb". */
  readonly colour: boolean
}
