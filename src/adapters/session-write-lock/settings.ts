// How long to wait and to hold: the environment wins over the configuration, the configuration over what is built in. A
// value that is none is passed over, never an error: a gateway must start with a broken setting.

export interface SessionWriteLockConfig {
  session?:
    | {
        writeLock?:
          | {
              acquireTimeoutMs?: number | undefined
              staleMs?: number | undefined
              maxHoldMs?: number | undefined
            }
          | undefined
      }
    | undefined
}

export type Environment = Readonly<Record<string, string | undefined>>

/** What acquireSessionWriteLock() takes. */
export interface SessionWriteLockOptions {
  timeoutMs: number
  /** Means nothing to a lock that the kernel holds; leftover files of old gateways are judged by it. */
  staleMs: number
  maxHoldMs: number
}

/** What the signals and timers of the field can carry. */
const LONGEST_HOLD_MS = 2_147_000_000

const DEFAULT_MS = { acquireTimeoutMs: 60_000, staleMs: 1_800_000, maxHoldMs: 300_000 } as const
const DEFAULT_GRACE_MS = 120_000

type Setting = keyof typeof DEFAULT_MS

const VARIABLES: Record<Setting, string> = {
  acquireTimeoutMs: 'OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS',
  staleMs: 'OPENCLAW_SESSION_WRITE_LOCK_STALE_MS',
  maxHoldMs: 'OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS',
}

const LEGACY_PEER = 'OPENCLAW_SESSION_WRITE_LOCK_LEGACY_PEER'

/** `Infinity` waits for ever. */
export function resolveSessionWriteLockAcquireTimeoutMs(
  config?: SessionWriteLockConfig | null,
  env: Environment = process.env,
): number {
  return resolved('acquireTimeoutMs', config, env)
}

export function resolveSessionWriteLockOptions(
  config?: SessionWriteLockConfig | null,
  { env = process.env, maxHoldMsFallback }: SettingSources = {},
): SessionWriteLockOptions {
  return {
    timeoutMs: resolved('acquireTimeoutMs', config, env),
    staleMs: resolved('staleMs', config, env),
    maxHoldMs: resolved('maxHoldMs', config, env, maxHoldMsFallback),
  }
}

export interface SettingSources {
  /** The environment of the process by default. */
  env?: Environment | undefined
  /** The bound of a hold where neither the environment nor the configuration has one; 300,000 by default. */
  maxHoldMsFallback?: number | undefined
}

export interface MaxHoldParams {
  /** How long the work under the lock may take; `Infinity` is clamped. */
  timeoutMs: number
  /** What is added for the end of that work; 120,000 by default. */
  graceMs?: number | undefined
  /** 300,000 by default. */
  minMs?: number | undefined
}

/** A bound for a hold under which work with a time-out runs: longer than that, and never more than 2,147,000,000. */
export function resolveSessionLockMaxHoldFromTimeout({ timeoutMs, graceMs, minMs }: MaxHoldParams): number {
  const least = finite(minMs) ?? DEFAULT_MS.maxHoldMs
  const work = positive(timeoutMs) ?? least
  const grace = finite(graceMs) ?? DEFAULT_GRACE_MS
  return Math.min(LONGEST_HOLD_MS, Math.max(least, work + grace))
}

/** Whether the files of old gateways are to be respected: `1`, `true`, `yes` or `on`. */
export function legacyPeerByEnvironment(env: Environment = process.env): boolean {
  return /^\s*(1|true|yes|on)\s*$/i.test(env[LEGACY_PEER] ?? '')
}

/** A length of time; undefined where it is none. */
export function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined
}

/** The same, with an end. */
export function finite(value: unknown): number | undefined {
  return value === Infinity ? undefined : positive(value)
}

function resolved(
  setting: Setting,
  config: SessionWriteLockConfig | null | undefined,
  env: Environment,
  fallback?: number,
): number {
  const read = setting === 'acquireTimeoutMs' ? positive : finite
  return (
    read(numberOf(env[VARIABLES[setting]])) ??
    read(config?.session?.writeLock?.[setting]) ??
    read(fallback) ??
    DEFAULT_MS[setting]
  )
}

/** Digits, or `Infinity`; nothing that only a programming language takes for a number. */
function numberOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? ''
  if (trimmed === 'Infinity') return Infinity
  const value = /^\d+$/.test(trimmed) ? Number(trimmed) : NaN
  return Number.isSafeInteger(value) ? value : undefined
}
