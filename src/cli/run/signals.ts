// Signals that reach `holdfast run`. Before there is a command, the first ends the wait; afterwards all are the command's.
import { reachedTheGroup } from './foreground.js'

/** Those that end a process unless it listens; a system that has not all of them never sends the others. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGBREAK'] as const

export class Signals {
  first: NodeJS.Signals | null = null
  /** What is done with a signal that the command has not got yet. */
  passOn: ((signal: NodeJS.Signals) => void) | null = null
  readonly #arrived = new AbortController()
  readonly #listener = (signal: NodeJS.Signals): void => this.#receive(signal)

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#listener)
  }

  /** Aborts with the first. */
  get arrived(): AbortSignal {
    return this.#arrived.signal
  }

  /** From now on they do what they do to any process. */
  stop(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener)
  }

  #receive(signal: NodeJS.Signals): void {
    this.first ??= signal
    if (this.passOn === null) this.#arrived.abort()
    else if (!reachedTheGroup(signal)) this.passOn(signal)
  }
}
