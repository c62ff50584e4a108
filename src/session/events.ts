// What operators are told of files that were not as they should be.
import { Topic } from '../channels.js'

/** `holdfast:transcript` */
export interface TranscriptEvent {
  /**
   * - `torn`: the last line had no end, and was moved to `aside` and cut off: its writer is dead.
   * - `unfinished`: the last line had no end; its bytes were copied to `aside`, and it was ended.
   * - `foreign`: somebody who does not keep the lock wrote at the same time. Nothing was lost.
   * - `rewritten`: somebody who does not keep the lock destroyed what was being written; it was written again.
   * - `fragment`: a part of a write that failed is left in the file as a line of its own.
   * - `failed`: a write could not be made durable, so the transcript refuses to go on.
   */
  kind: 'torn' | 'unfinished' | 'foreign' | 'rewritten' | 'fragment' | 'failed'
  path: string
  /** Of the line or of the write. */
  bytes: number
  /** Where the bytes were saved. */
  aside: string | null
  cause?: unknown
}

const transcripts = new Topic<TranscriptEvent>('holdfast:transcript')

export function tellTranscript(event: TranscriptEvent): void {
  if (transcripts.wanted) transcripts.publish(event)
}
