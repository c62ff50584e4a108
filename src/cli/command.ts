// What main.ts knows of a command: its name, its help, and how it runs.
import type { Terminal } from './terminal.js'

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What `holdfast <name> --help` prints. */
  readonly help: string
  /** Answers the exit code. What was wrong with the arguments is thrown as a UsageError. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** Arguments that make no sense: main.ts prints the message and where to find help, and exits with EXIT.usage. */
export class UsageError extends Error {}
