// What is to happen in a soak, and when: made of the seed alone, so a soak can be asked to happen again. How it falls in with
// everything else that goes on then is not decided here, and is another time another.
import { randomOf } from '../client.js'

/** One incident. Numbers and sessions are drawn for every one; what a kind has no use for it leaves. */
export interface Planned {
  /** Milliseconds since the beginning. */
  readonly at: number
  readonly kind: Kind
  readonly session: string
  /** From 0 to 1: of what it has a choice. */
  readonly chance: number
}

export interface PlanOptions {
  readonly seed: number
  /** Milliseconds. */
  readonly length: number
  /** Incidents a minute. */
  readonly rate: number
  readonly sessions: readonly string[]
}

/** How often each of them is in the pack that is dealt, and what it is. */
export const KINDS = [
  { kind: 'kill', times: 2, what: 'the gateway is killed, and started again at once' },
  { kind: 'end', times: 1, what: 'the gateway is told to end, and started again' },
  { kind: 'stand by', times: 2, what: 'a second gateway comes to wait for the end of the first one, or goes' },
  { kind: 'stop', times: 1, what: 'the gateway is stopped, and goes on after a second or two' },
  { kind: 'block', times: 1, what: 'the event loop of the gateway is blocked for a second' },
  { kind: 'drop', times: 2, what: 'the network fails in the middle of a call' },
  { kind: 'slow', times: 1, what: 'a call takes longer than its lane' },
  { kind: 'deaf', times: 1, what: 'a tool goes on after the end of its lane' },
  { kind: 'hang', times: 2, what: 'a tool never comes back, with the lock of the transcript in its hands' },
  { kind: 'lose', times: 1, what: 'a tool loses the handle of a lock' },
  { kind: 'untidy', times: 1, what: 'a clean-up fails' },
  { kind: 'burst', times: 2, what: 'five messages to one session at once, with five sub-agents' },
  { kind: 'command', times: 2, what: 'a command of the command line' },
  { kind: 'killed command', times: 2, what: 'a command that is killed on its way' },
] as const

export type Kind = (typeof KINDS)[number]['kind']

const ENDS_A_LIFE: ReadonlySet<Kind> = new Set(['kill', 'end'])

/**
 * In each period one stretch in which no gateway is ended, so that one life of it is long enough to be judged. It is there
 * whatever the length of the soak, and begins when a whole pack was dealt at the usual rate. Milliseconds.
 */
export const CALM = { period: 300_000, from: 200_000, until: 280_000 } as const

const PACK = KINDS.flatMap(({ kind, times }) => Array<Kind>(times).fill(kind))

/**
 * Dealt from a shuffled pack, so that all kinds come up in the time that a pack takes; those that end a life are passed over
 * while it is calm. Two of them are never nearer to each other than half of the mean: a message whose run fails three times
 * is answered by a failure, as it should be, and that would not be told from a loss.
 */
export function plan({ seed, length, rate, sessions }: PlanOptions): Planned[] {
  const random = randomOf(seed)
  const between = 60_000 / rate
  const planned: Planned[] = []
  let pack: Kind[] = []
  const dealt = (): Kind | undefined => {
    if (pack.length === 0) pack = shuffled(PACK, random)
    return pack.pop()
  }
  for (let at = (between * (1 + random())) / 2; at < length; at += between * (0.5 + random())) {
    let kind = dealt()
    while (isCalm(at) && kind !== undefined && ENDS_A_LIFE.has(kind)) kind = dealt()
    const session = sessions[Math.floor(random() * sessions.length)]
    const chance = random()
    if (kind !== undefined && session !== undefined) planned.push({ at: Math.round(at), kind, session, chance })
  }
  return planned
}

function isCalm(at: number): boolean {
  const within = at % CALM.period
  return within >= CALM.from && within < CALM.until
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const left = [...values]
  const drawn: T[] = []
  while (left.length > 0) drawn.push(...left.splice(Math.floor(random() * left.length), 1))
  return drawn
}
