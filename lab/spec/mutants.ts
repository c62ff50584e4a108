// Bugs that are planted in the model. Each must be found, by the property that it breaks: so the properties can fail.
export interface Mutant {
  /** MUTANT_<name> in spec/. */
  readonly name: string
  readonly about: string
  readonly defines: readonly string[]
  /** What spin must report first. */
  readonly breaks: string
  readonly short: boolean
}

const GIVING_UP = ['GIVE_UP', 'ONE_SIDED', 'LEASES_EACH=3']
const LIMITS = ['MAX_HOLD', 'GUARDS', 'ONE_SIDED', 'LEASES_EACH=3']
const REPLACED = ['REPLACE', 'LEASES_EACH=4']

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'NO_FLOCK',
    about: 'the kernel grants whatever is asked',
    defines: [],
    breaks: 'Exclusion',
    short: true,
  },
  {
    name: 'ADOPT_ANY_MODE',
    about: 'an exclusive wait adopts a shared orphan',
    defines: ['GIVE_UP', 'MODES', 'LEASES_EACH=4', 'ROUNDS=2'],
    breaks: 'Exclusion',
    short: false,
  },
  {
    name: 'NEVER_ADOPT',
    about: 'a new wait leaves the orphan where it is',
    defines: GIVING_UP,
    breaks: 'OneOrphan',
    short: false,
  },
  {
    name: 'ORPHAN_KEEPS_LOCK',
    about: 'a thread that was granted what nobody wants does not unlock',
    defines: GIVING_UP,
    breaks: 'NothingHeldByNobody',
    short: true,
  },
  {
    name: 'LAST_TRY_ADOPTS',
    about: 'the last try of a time-out adopts an orphan, for which nobody waits then',
    defines: [...GIVING_UP, 'TURNS'],
    breaks: 'NothingHeldByNobody',
    short: false,
  },
  {
    name: 'LAST_TRY_KEEPS_WAIT',
    about: 'the last try of a time-out comes through and leaves the wait behind',
    defines: GIVING_UP,
    breaks: 'TenureOrWait',
    short: false,
  },
  {
    name: 'GRANT_AFTER_ABORT',
    about: 'an aborted waiter stays in the queue',
    defines: GIVING_UP,
    breaks: 'NoGrantToRejected',
    short: true,
  },
  {
    name: 'NO_UNLOCK_ON_ABORT',
    about: 'what was granted and is dropped is not unlocked',
    defines: GIVING_UP,
    breaks: 'NothingHeldByNobody',
    short: false,
  },
  {
    name: 'NOTICE_LOST',
    about: 'the event loop is not told of a grant',
    defines: [],
    breaks: 'EveryWaiterGranted',
    short: true,
  },
  {
    name: 'QUEUE_NEVER_ADVANCED',
    about: 'the end of a hold does not advance the queue',
    defines: [],
    breaks: 'NothingHeldByNobody',
    short: false,
  },
  {
    name: 'QUEUE_ADVANCED_TWICE',
    about: 'the end of a hold hands the lock over, and unlocks it as well',
    defines: [],
    breaks: 'HoldHasLock',
    short: false,
  },
  {
    name: 'GUARD_IGNORED_BY_RELEASE',
    about: 'a hold that ends gives the lock back although a guard is open',
    defines: ['GUARDS'],
    breaks: 'GuardKeepsLock',
    short: true,
  },
  {
    name: 'WATCHDOG_IGNORES_GUARD',
    about: 'the watchdog takes a lease that is guarded',
    defines: LIMITS,
    breaks: 'GuardKeepsLock',
    short: false,
  },
  {
    name: 'WATCHDOG_LEAVES_LEASE',
    about: 'the watchdog unlocks a lease that it did not take out of the tables',
    defines: LIMITS,
    breaks: 'UnlockedOnce',
    short: false,
  },
  {
    name: 'GUARD_AFTER_LIMIT',
    about: 'a guard is entered without the native check',
    defines: LIMITS,
    breaks: 'NoGuardAfterEnd',
    short: false,
  },
  {
    name: 'CLAIM_LAPSED',
    about: 'a claim takes a grant that the watchdog has taken',
    defines: ['GIVE_UP', 'ONE_SIDED', 'MAX_HOLD', 'LEASES_EACH=4'],
    breaks: 'HoldHasLock',
    short: false,
  },
  {
    name: 'END_IGNORES_CHANGE',
    about: 'an environment that ends unlocks although a change is being made',
    defines: ['ENVIRONMENT_END', 'CHANGES', 'LEASES_EACH=3'],
    breaks: 'GuardKeepsLock',
    short: false,
  },
  {
    name: 'ENVIRONMENT_KEEPS_GRANTED',
    about: 'an environment that ends forgets what it was granted',
    defines: ['ENVIRONMENT_END', 'LEASES_EACH=3'],
    breaks: 'NothingHeldByNobody',
    short: false,
  },
  {
    name: 'DESCRIPTOR_INHERITED',
    about: 'a process dies and its lock does not',
    defines: ['CRASH'],
    breaks: 'NothingHeldByNobody',
    short: false,
  },
  {
    name: 'NO_CHECK_AT_HAND_OVER',
    about: 'a hand-over does not look whether the path still names the locked file',
    defines: REPLACED,
    breaks: 'NamedWhenGranted',
    short: false,
  },
  {
    name: 'NO_CHECK_AT_CLAIM',
    about: 'neither does a claim',
    defines: REPLACED,
    breaks: 'NamedWhenGranted',
    short: false,
  },
]
