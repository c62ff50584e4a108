// Defects that were found here and are not mended yet: they are told, and counted neither as passed nor as failed. When one
// is mended, its entry goes.
import type { Case, Task } from './subject.js'

export interface Defect {
  readonly title: string
  readonly is: (task: Task, one: Case) => boolean
}

export const KNOWN: readonly Defect[] = [
  {
    title: 'a link that cannot be read is taken for a file: its lock is another one than that of the file',
    is: ({ operation }, { call, problem }) =>
      operation === 'acquire through a symbolic link' &&
      call === 'readlink' &&
      problem?.includes('another process could have the lock') === true,
  },
  {
    title: 'an addon that finds no memory when it is first used ends in an Error, not in a LockError',
    is: ({ family }, { came }) => family === 'memory' && came === 'an unknown failure: Error: holdfast: out of memory',
  },
]
