// What cli.ts knows of a command: its name, its help, and how it runs.
import type { Terminal } from './terminal.js'

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What `holdfast <name> --help` prints. */
  readonly help: string
  /** Of the arguments, those that are its own, and not those of a program it starts: all, where it does not say. */
  own?(args: readonly string[]): readonly string[]
  /**
   * Answers the exit code. What was wrong with the arguments is thrown as a UsageError, or as parseArgs() throws it;
   * what the system or the lock refused, as it was caught.
   */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** Arguments that make no sense: cli.ts prints the message and where to find help, and exits with EXIT.usage. */
export class UsageError extends Error {}
