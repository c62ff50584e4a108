// Which parts of the protocol are checked together. All at once is more than a machine can hold, so each configuration
// takes those that meet in the sources: the rules that it is about are in `about`.
export interface Configuration {
  readonly name: string
  readonly about: string
  /** Names of spec/holdfast.pml, without the -D. */
  readonly defines: readonly string[]
  /** Weak fairness and the formula of holdfast.pml, instead of what must be true in every state. */
  readonly liveness?: boolean
  /** It takes seconds only. */
  readonly short: boolean
}

const ONE_GIVES_UP = ['GIVE_UP', 'ONE_SIDED']

export const CONFIGURATIONS: readonly Configuration[] = [
  {
    name: 'exclusive',
    about: 'waits, notices, claims, hand-overs',
    defines: [],
    short: true,
  },
  {
    name: 'guards',
    about: 'every ending with a guard open',
    defines: ['GUARDS'],
    short: true,
  },
  {
    name: 'modes',
    about: 'exclusive and shared',
    defines: ['MODES', 'LEASES_EACH=4'],
    short: true,
  },
  {
    name: 'tries',
    about: 'tryAcquire among the others, both modes',
    defines: ['TRY_ACQUIRE', 'MODES', 'LEASES_EACH=4'],
    short: false,
  },
  {
    name: 'faults',
    about: 'two waits that fail, or get no thread',
    defines: ['FAULTS=2', 'LEASES_EACH=3'],
    short: false,
  },
  {
    name: 'changes',
    about: 'changes from threads of their own, and the end of their environment (rule 13)',
    defines: ['CHANGES', 'ENVIRONMENT_END', 'LEASES_EACH=3'],
    short: false,
  },
  {
    name: 'limits',
    about: 'maxHold, the watchdog and guards (rules 11 and 12)',
    defines: ['MAX_HOLD', 'GUARDS', 'ONE_SIDED', 'LEASES_EACH=3'],
    short: true,
  },
  {
    name: 'limits of both',
    about: 'the same in both processes, with extend()',
    defines: ['MAX_HOLD', 'GUARDS', 'EXTENSIONS', 'LEASES_EACH=3'],
    short: false,
  },
  {
    name: 'blocked loop',
    about: 'an event loop that never turns again: the watchdog frees what is limited',
    defines: ['BLOCKED_LOOP', 'MAX_HOLD', 'ONE_SIDED', 'LEASES_EACH=3'],
    short: false,
  },
  {
    name: 'giving up',
    about: 'aborts and time-outs against grants, orphans, adoption (rules 4 to 6)',
    defines: ['GIVE_UP'],
    short: false,
  },
  {
    name: 'giving up, crash',
    about: 'the same, and a process that is killed',
    defines: ['GIVE_UP', 'CRASH'],
    short: false,
  },
  {
    name: 'giving up, modes',
    about: 'orphans of both modes, waits that are dropped when the mode changes',
    defines: [...ONE_GIVES_UP, 'MODES', 'LEASES_EACH=4'],
    short: false,
  },
  {
    name: 'giving up, limits',
    about: 'grants that lapse, are claimed, or are dropped',
    defines: [...ONE_GIVES_UP, 'MAX_HOLD', 'LEASES_EACH=3'],
    short: false,
  },
  {
    name: 'giving up, end',
    about: 'an environment that ends between any two native calls (rule 7)',
    defines: [...ONE_GIVES_UP, 'ENVIRONMENT_END', 'LEASES_EACH=3'],
    short: false,
  },
  {
    name: 'giving up, turns',
    about: 'a queue that is put off until the event loop had a turn',
    defines: [...ONE_GIVES_UP, 'TURNS', 'LEASES_EACH=3'],
    short: false,
  },
  {
    name: 'replaced',
    about: 'a lock file that is replaced once, both modes (queue rule 4)',
    defines: ['REPLACE', 'MODES', 'LEASES_EACH=4', 'ROUNDS=1'],
    short: false,
  },
  {
    name: 'replaced, giving up',
    about: 'the same with aborts and time-outs',
    defines: [...ONE_GIVES_UP, 'REPLACE', 'MODES', 'LEASES_EACH=4', 'ROUNDS=1'],
    short: false,
  },
  {
    name: 'progress of one',
    about: 'liveness under weak fairness, one request of each lane',
    defines: ['LIVENESS', 'ROUNDS=1'],
    liveness: true,
    short: true,
  },
  {
    name: 'progress',
    about: 'liveness under weak fairness, two requests of each lane',
    defines: ['LIVENESS', 'ROUNDS=2'],
    liveness: true,
    short: false,
  },
  {
    name: 'progress, giving up',
    about: 'the same with aborts and time-outs in one process: orphans let go',
    defines: ['LIVENESS', 'ROUNDS=2', ...ONE_GIVES_UP],
    liveness: true,
    short: false,
  },
]
