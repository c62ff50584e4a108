// The table: what must come of it when calls of an operation fail. It is read call by call, in the order in which they were
// made, up to the first one whose failure is final.
import type { ErrorName, Fault } from './faults.js'
import type { Manner } from './operations.js'
import type { Came } from './stage.js'

/** What the failing of one call comes to. */
type Meaning =
  /** It is made again, or another way, or it does not matter. */
  | 'nothing'
  /** The lock is taken without a record, which is told. */
  | 'record'
  /** Somebody else has the lock: how some filesystems say so. */
  | 'busy'
  /** The operation is refused, with this error as the cause. */
  | 'refused'

/** `lasting`: later calls of the same kind fail as well. */
type Row = (error: ErrorName, lasting: boolean) => Meaning

const ignored: Row = () => 'nothing'
const refused: Row = () => 'refused'
const recorded: Row = (error) => (error === 'EINTR' ? 'nothing' : 'record')
const repeated: Row = (error) => (error === 'EINTR' ? 'nothing' : 'refused')

/** Of the calls by which a lock is taken. */
const TAKING: Record<string, Row> = {
  // What the filesystem is, by a second opinion that may be missing.
  statfs: ignored,
  // Of which file the kernel's list of locks speaks, for the processes that an error or inspect() names.
  statx: ignored,
  // Whether a path is a link: with another answer than the true one, another lock would be taken.
  readlink: repeated,
  // The folder of a link, which says whether the link may be followed.
  'stat-folder': refused,
  // The creator of a file may be about to give it to us: EACCES is asked again.
  open: (error, lasting) => (error === 'EACCES' && !lasting ? 'nothing' : repeated(error, lasting)),
  create: repeated,
  // The target, for whose users the lock file is made: who must not see it makes one for himself alone.
  stat: (error) => (error === 'EACCES' ? 'nothing' : 'refused'),
  // A filesystem without owners and modes is no failure; a device that fails is.
  fchown: (error) => (error === 'EIO' ? 'refused' : 'nothing'),
  fchmod: (error) => (error === 'EIO' ? 'refused' : 'nothing'),
  fstat: refused,
  // CIFS says EACCES where others say EWOULDBLOCK.
  'flock-try': (error, lasting) => (error === 'EACCES' ? 'busy' : repeated(error, lasting)),
  'flock-wait': (error, lasting) => {
    if (error === 'EACCES') return lasting ? 'busy' : 'nothing'
    return repeated(error, lasting)
  },
  lstat: refused,
  read: recorded,
  write: recorded,
  // What fails to be unlocked is closed, and what is closed is free.
  unlock: ignored,
  close: ignored,
}

/** Whose record it is not, reads it for `recoveredFrom` alone, which then tells nothing. */
const LOOKING: Record<string, Row> = { ...TAKING, read: ignored }

const ROWS: Record<Manner, Record<string, Row>> = {
  takes: TAKING,
  shares: TAKING,
  tries: TAKING,
  looks: LOOKING,
  'in vain': LOOKING,
  inherits: TAKING,
  ends: {},
  limits: TAKING,
}

/** What came of it must be one of these. Empty: the table does not know a call that was made. */
export function expected(manner: Manner, fault: Fault, calls: readonly string[]): readonly Came[] {
  if (fault.family === 'transfers') return usual(manner) // what did a part is made to do the rest
  if (fault.family === 'threads') return withoutThread(manner)
  // Where there is no memory there is no thread either, and no addon; or the process is gone, which frees everything.
  if (fault.family === 'memory') return [...usual(manner), ...withoutThread(manner), ...refusal(fault.error)]
  if (manner === 'ends') return ['done']
  const last = fault.times === 0 ? calls.length : fault.at - 1 + fault.times
  const failing = calls.slice(fault.at - 1, last).map(kindOf)
  const flags = new Set<string>()
  const lasting = fault.times === 0
  for (const call of failing) {
    const row = ROWS[manner][call]
    if (row === undefined) return []
    const meaning = row(fault.error, lasting)
    if (meaning === 'refused') {
      return told([...(manner === 'in vain' ? usual(manner) : []), ...refusal(fault.error)], manner, flags)
    }
    if (meaning === 'busy') {
      if (manner === 'tries') return ['busy']
      // At its deadline it opens the file once more.
      if (manner !== 'looks' && manner !== 'in vain' && lasting) return ['timeout', ...refusal(fault.error)]
    }
    if (meaning === 'record') flags.add('record')
  }
  return told(usual(manner), manner, flags)
}

/** The first word of a call, unless it is about the folder of a case. */
function kindOf(call: string): string {
  return /^stat \w+\/\d+$/.test(call) ? 'stat-folder' : (call.split(' ')[0] ?? '')
}

/** With the fallbacks that are told. What is read and written for the end of the hold before tells none. */
function told(all: readonly Came[], manner: Manner, flags: ReadonlySet<string>): readonly Came[] {
  const whole = all.map((came) => [came, ...flags].join(', '))
  return manner === 'inherits' ? [...new Set([...all, ...whole])] : whole
}

/**
 * A wait without a thread tries again and again, and says so. What must answer at once, of a file whose calls are made
 * aside, is refused as if its filesystem did not answer.
 */
function withoutThread(manner: Manner): readonly Came[] {
  const unanswered = 'refused ETIMEDOUT'
  switch (manner) {
    case 'limits':
      return ['done, watchdog']
    case 'ends':
      return ['done']
    default:
      return usual(manner).flatMap((came) => [
        came,
        `${came}, record`,
        `${came}, thread`,
        `${came}, record, thread`,
        unanswered,
      ])
  }
}

/** What comes of it without a fault. */
function usual(manner: Manner): readonly Came[] {
  return manner === 'in vain' ? ['timeout', 'aborted'] : ['done']
}

function refusal(error: ErrorName): readonly Came[] {
  return [error === 'ENOLCK' ? 'unsupported ENOLCK' : `refused ${error}`]
}
