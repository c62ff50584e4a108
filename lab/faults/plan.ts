// Which calls fail how. Every operation, on a local file and on one whose calls are made aside.
import type { ErrorName } from './faults.js'
import { OPERATIONS } from './operations.js'
import type { Task } from './subject.js'

const ERRORS: readonly ErrorName[] = ['EINTR', 'EMFILE', 'ENFILE', 'ENOSPC', 'EIO', 'ENOLCK', 'EACCES', 'ENOMEM']

/** An interruption without end is what no kernel makes of a call: it is made again until it is not interrupted. */
const STORM = 50

const FOR_EVER = 0

/** Instead of a call's number: none fails, and all are told. */
export const LISTING = -1

/** What may fail of one call: an error, once or from then on; a part of a transfer; a thread. */
const KINDS: readonly Pick<Task, 'family' | 'error' | 'times' | 'most'>[] = [
  ...ERRORS.flatMap((error) => [
    { family: 'files' as const, error, times: 1, most: 0 },
    { family: 'files' as const, error, times: error === 'EINTR' ? STORM : FOR_EVER, most: 0 },
  ]),
  { family: 'transfers', error: 'EIO', times: 1, most: 1 },
  { family: 'transfers', error: 'EIO', times: FOR_EVER, most: 1 },
  { family: 'threads', error: 'EAGAIN', times: 1, most: 0 },
]

/** In the short form: on local files the errors that are treated each in a way of its own, aside what is final. */
function isShort({ family, error, times }: (typeof KINDS)[number], distant: boolean): boolean {
  if (distant) return family === 'threads' || (error === 'EIO' && times === FOR_EVER && family === 'files')
  return family !== 'files' || ['EINTR', 'EIO', 'ENOLCK', 'EACCES'].includes(error)
}

export function plan(short: boolean, only: string | undefined): Task[] {
  return OPERATIONS.filter(({ name }) => only === undefined || name === only).flatMap(({ name: operation }) =>
    [false, true].flatMap((distant) =>
      KINDS.filter((kind) => !short || isShort(kind, distant)).map((kind) => ({
        operation,
        distant,
        ...kind,
        only: 0,
      })),
    ),
  )
}

/** What begins with a process of its own: a thread that is refused to the first limit, and memory that is. */
export function planAlone(short: boolean, only: string | undefined): Task[] {
  const first = 'limit the first hold'
  const common = { operation: first, distant: false, most: 0, only: 1 } as const
  const threads: Task[] = [1, FOR_EVER].map((times) => ({ ...common, family: 'threads', error: 'EAGAIN', times }))
  const memory: Task[] = [
    { operation: first, distant: false },
    { operation: 'wait, and be granted', distant: false },
    { operation: 'wait, and be granted', distant: true },
  ].map((which) => ({ ...common, ...which, family: 'memory', error: 'ENOMEM', times: 1 }))
  return [...threads, ...memory.slice(0, short ? 1 : memory.length)].filter(
    ({ operation }) => only === undefined || operation === only,
  )
}
