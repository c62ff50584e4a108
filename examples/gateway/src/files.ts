// What the gateway needs of its files. There are two sets of them: session-files.ts, on holdfast, and for comparison
// lock-files/, on the lock files that the incidents are about.
import type { Lane } from './lanes.js'
import type { Line } from './lines.js'

export interface Files {
  /** The sessions that are on disk. */
  sessions(): Promise<string[]>
  /** A session's files, which need not be there yet. */
  open(session: string): Promise<SessionFiles>
  /** Changes the store, sessions.json. A signal gives it up while it waits. */
  update(change: (store: Store) => void, signal?: AbortSignal): Promise<void>
  /** Waits for the browser, which one lane of all processes can use at a time. It is given back by the result, or by the lane's end. */
  browser(lane: Lane): Promise<() => void>
  close(): Promise<void>
}

export interface SessionFiles {
  /** Whole and durable when it resolves. Before that a signal gives it up. */
  append(line: Line, signal?: AbortSignal): Promise<void>
  /** What stands in the transcript now. */
  read(): Promise<Line[]>
  /** All lines of the transcript, and then those that anybody adds. After a `null` all lines follow from the first one. */
  follow(signal: AbortSignal): AsyncIterable<Line | null>
  /** Waits until nobody else, in any process, has this turn of the session: `main`, or that of a sub-agent. */
  turn(name: TurnName, lane: Lane): Promise<Turn>
  /** Whose main turn ended with its process, and nobody has had it since. */
  cutOff(): string | null
  /** Replaces the transcript by what `shorten` makes of it, and keeps lines that come meanwhile. Null: leave it. */
  compact(shorten: (lines: Line[]) => Promise<Line[] | null>): Promise<void>
  close(): Promise<void>
}

export type TurnName = 'main' | `agent-${number}`

/** The right to write one run's lines. It ends with its lane at the latest. */
export interface Turn {
  /** Who had it before, if that was cut off. */
  readonly recoveredFrom: string | null
  /** Nobody else gets the turn before the line is written, or will never be. */
  append(line: Line): Promise<void>
  end(): void
}

/** What is in sessions.json. */
export interface Store {
  sessions: Record<string, { answered: number; title?: string }>
  /** How often each of the processes that write it did: so it can be told whether an update was lost. */
  writers: Record<string, number>
}
