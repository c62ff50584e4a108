// Where a command writes to. Colour and cursor movements only where a person watches: never into a pipe or a file.
import { EXIT } from './exit-codes.js'
import { STYLES, type Style } from './styles.js'

export interface Terminal {
  readonly out: NodeJS.WriteStream
  readonly err: NodeJS.WriteStream
  /** Whether `out` may carry colour: a terminal, NO_COLOR unset, TERM not "dumb". */
  readonly colour: boolean
}

export function openTerminal({ stdout, stderr, env }: NodeJS.Process): Terminal {
  // Whoever read the output wants no more of it (`| head -1`), which is no mistake of ours.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.system))
  // Nobody is left who could be told.
  stderr.on('error', () => undefined)
  const colour = stdout.isTTY && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  return { out: stdout, err: stderr, colour }
}

/** Columns of the terminal, now; Infinity where nobody watches, so that nothing is cut that a program reads. */
export function widthOf({ out }: Terminal): number {
  // A terminal of no known size has 0.
  return out.isTTY ? out.columns || 80 : Infinity
}

export function painted({ colour }: Terminal, style: Style, text: string): string {
  return colour ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text
}
