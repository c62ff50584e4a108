// What a gateway says, and what it is told: JSON objects, each on a line.
import { isLockError } from 'holdfast'

export type Event =
  | { readonly event: 'ready' }
  /** The lock of the session is ours from now on. */
  | { readonly event: 'granted'; readonly session: string; readonly fence: number }
  /** The line is in the database, and stays there. `added`: it was not there when it was written this time. */
  | {
      readonly event: 'acknowledged'
      readonly session: string
      readonly id: string
      readonly seq: number
      readonly fence: number
      readonly added: boolean
    }
  /** The hold was lost, and this is the moment at which its holder knows. */
  | {
      readonly event: 'lost'
      readonly session: string
      readonly fence: number
      readonly held: boolean
      readonly why: string
    }
  /** Of these nobody knows whether they are written. They are tried again. */
  | {
      readonly event: 'unacknowledged'
      readonly session: string
      readonly ids: readonly string[]
      readonly why: string
    }
  /** A line of the input that is no message. */
  | { readonly event: 'refused'; readonly why: string }

export type Tell = (event: Event) => void

/** Milliseconds since 1970. */
export type Told = Event & { readonly at: number }

/** On the standard output, at once. */
export const tell: Tell = (event) => {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...event })}\n`)
}

export interface Message {
  readonly session: string
  readonly id: string
  readonly text: string
}

const NAME = /^[\w.:-]{1,100}$/

/** Throws where it is none. */
export function messageOf(line: string): Message {
  const value: unknown = JSON.parse(line)
  const { session, id, text }: Partial<Record<string, unknown>> = { ...(value as object | null) }
  if (typeof session !== 'string' || !NAME.test(session)) throw new TypeError('session must be a name')
  if (typeof id !== 'string' || !NAME.test(id)) throw new TypeError('id must be a name')
  if (typeof text !== 'string') throw new TypeError('text must be a string')
  return { session, id, text }
}

export function whyOf(error: unknown): string {
  if (isLockError(error)) return error.code
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
