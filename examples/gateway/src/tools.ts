// What the model may ask a run to use. Tools are other people's code: they may be slow, deaf to their lane's end, and wrong.
import type { Lane } from './lanes.js'

export interface Use {
  readonly lane: Lane
  /** The transcript of the session. */
  readonly path: string
  /** Writes a line of the run. Rejects when the lane has ended. */
  readonly note: (text: string) => Promise<void>
}

/** Resolves to what is to be cleaned up after the run, if anything is. */
export type Tool = (use: Use) => Promise<(() => Promise<void>) | undefined>

export type Tools = Readonly<Record<string, Tool>>
