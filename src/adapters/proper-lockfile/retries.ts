// What `retries` means to a wait in the kernel's queue: how long the original would go on trying, from its first try to its
// last. So nobody gives up earlier than before, and nobody who could have the lock waits for the next try.

/** What the original hands on to the package `retry`: its options, or the pauses themselves. */
export type OperationOptions = RetryOptions | number[]

export interface RetryOptions {
  /** How often to try again; 10 by default. */
  retries?: number | undefined
  /** How much longer each pause is than the one before; 2 by default. */
  factor?: number | undefined
  /** Milliseconds of the first pause; 1,000 by default. */
  minTimeout?: number | undefined
  /** Milliseconds that no pause exceeds; `Infinity` by default. */
  maxTimeout?: number | undefined
  /** Makes each pause longer, up to twice as long; false by default. */
  randomize?: boolean | undefined
  /** Never gives up. */
  forever?: boolean | undefined
  /** Milliseconds after which there is no further pause; `Infinity` by default. */
  maxRetryTime?: number | undefined
  /** Means nothing: a wait for another process keeps this one alive. */
  unref?: boolean | undefined
}

export type Retries = number | OperationOptions | null | undefined

/** How often the original would try again, as far as that is a number. */
export function timesOf(retries: Retries): number {
  const times = typeof retries === 'object' && retries !== null && 'retries' in retries ? retries.retries : retries
  return typeof times === 'number' ? times : 0
}

/** When the original would try. */
export interface Schedule {
  /** Milliseconds before each further try. */
  readonly pauses: readonly number[]
  /** The pauses begin again after the last one. */
  readonly forever: boolean
  /** A try that fails so many milliseconds after the first is the last. */
  readonly maxRetryTime: number
}

/** What a timer of Node can wait for. */
const LONGEST_PAUSE = 2 ** 31 - 1

const ONCE: Schedule = { pauses: [], forever: false, maxRetryTime: Infinity }

export function scheduleOf(retries: Retries): Schedule {
  if (!retries) return ONCE
  if (Array.isArray(retries)) return { ...ONCE, pauses: inOrder(retries) }
  const given = typeof retries === 'number' ? { retries } : retries
  const { retries: times = 10, factor = 2, minTimeout = 1000, maxTimeout = Infinity, maxRetryTime } = given
  if (minTimeout > maxTimeout) throw new Error('minTimeout is greater than maxTimeout')
  const forever = given.forever === true || times === Infinity
  const pauses = Array.from({ length: pausesOf(times, forever) }, (_, index) => {
    const longer = given.randomize === true ? Math.random() + 1 : 1
    return Math.min(Math.round(longer * minTimeout * factor ** index), maxTimeout)
  })
  return { pauses: inOrder(pauses), forever, maxRetryTime: maxRetryTime || Infinity }
}

/** Milliseconds from the first try to the last one. */
export function patienceOf({ pauses, forever, maxRetryTime }: Schedule): number {
  if (forever && maxRetryTime === Infinity) return Infinity
  const round = pauses.reduce((sum, pause) => sum + pause, 0)
  let last = forever ? Math.floor(maxRetryTime / round) * round : 0
  for (const pause of pauses) if (last < maxRetryTime) last += pause
  return last
}

/** The pause after so many tries, the last of which failed `elapsed` milliseconds after the first; null when it was the last. */
export function pauseAfter(tries: number, elapsed: number, { pauses, forever, maxRetryTime }: Schedule): number | null {
  if (elapsed >= maxRetryTime) return null
  return pauses[forever ? (tries - 1) % pauses.length : tries - 1] ?? null
}

function pausesOf(times: number, forever: boolean): number {
  if (times > 0 && times < Infinity) return Math.ceil(times)
  return forever ? 1 : 0
}

function inOrder(pauses: readonly number[]): number[] {
  return pauses.map((pause) => Math.min(Math.max(pause, 1) || 1, LONGEST_PAUSE)).sort((a, b) => a - b)
}
