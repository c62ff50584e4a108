// One acquire: the kernel's lock of the session file, where asked for the file of old gateways besides, and a handle of the
// shape that gateways know.
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

import { boolean, entries, path, signal as abortSignal } from '../../arguments.js'
import { acquire, isLockError, type Hold } from '../../index.js'
import { invalidType } from '../../errors.js'
import { endAll, release, remember, type HeldLock } from './held.js'
import { installHooks } from './hooks.js'
import { acquireOrJoin, granted, join } from './joining.js'
import { codeOf } from './legacy-file.js'
import { LegacyPeer } from './legacy-peer.js'
import { refusal } from './refusal.js'
import {
  finite,
  legacyPeerByEnvironment,
  positive,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
} from './settings.js'
import { sessionTimeout } from './timeout-error.js'

export interface SessionWriteLockParams {
  /** The file that is going to be written. It need not exist; its folder is made. */
  sessionFile: string
  /**
   * Milliseconds until the wait is given up, everything included; `Infinity` waits for ever. Where it is left out or no
   * positive number, the environment's, or 60,000.
   */
  timeoutMs?: number | undefined
  /** Means nothing: no lock of a living process is stale, and that of a dead one is free at once. */
  staleMs?: number | undefined
  /**
   * Milliseconds after which the hold ends by itself, but for open guards. Where it is left out or no positive, finite number,
   * the environment's, or 300,000.
   */
  maxHoldMs?: number | undefined
  /** Joins what this process holds of the same file, whoever took it, instead of waiting for it; false by default. */
  allowReentrant?: boolean | undefined
  /** Cancels the wait. */
  signal?: AbortSignal | undefined
  /** Respects the lock files of old gateways, and makes one; by default as the environment says. */
  legacyPeer?: boolean | undefined
}

export interface SessionWriteLock {
  /** Ends this hold. Later calls do nothing. */
  readonly release: () => Promise<void>
  /** Whether the hold lasts. */
  readonly held: boolean
  /** Aborts with a LockLostError when the hold ends other than by release(). */
  readonly signal: AbortSignal
  /** Runs `fn` so that nobody else gets the lock meanwhile, whatever ends the hold; rejects unless it lasts. */
  readonly guard: <T>(fn: () => T | Promise<T>) => Promise<T>
  /** Throws a LockLostError unless the hold lasts and its path still names the locked file. */
  readonly assertHeld: () => void
}

const LABEL = 'session-write-lock'
const PARAMS = [
  'sessionFile',
  'timeoutMs',
  'staleMs',
  'maxHoldMs',
  'allowReentrant',
  'signal',
  'legacyPeer',
] as const satisfies (keyof SessionWriteLockParams)[]

/** How often a folder that vanishes again and again is made. */
const MOST_FOLDERS = 5

/** What was asked for, checked and complete. */
interface Wish {
  readonly sessionFile: string
  readonly timeoutMs: number
  readonly maxHoldMs: number
  readonly allowReentrant: boolean
  readonly signal: AbortSignal | undefined
  readonly legacyPeer: boolean
  /** By performance.now(). */
  readonly deadline: number
}

/**
 * Waits for the lock of a session file. Rejects with a SessionWriteLockTimeoutError when `timeoutMs` runs out, with the
 * signal's own reason when it aborts, with a LockError when the system refuses.
 */
export async function acquireSessionWriteLock(params: SessionWriteLockParams): Promise<SessionWriteLock> {
  const wish = wishOf(params)
  const lock: HeldLock = { hold: await holdOf(wish), maxHoldMs: wish.maxHoldMs, since: Date.now(), peer: null }
  installHooks(endAll)
  remember(lock)
  granted()
  if (wish.legacyPeer) await enterLegacy(lock, wish)
  return handleOf(lock)
}

async function holdOf(wish: Wish): Promise<Hold> {
  const { sessionFile, signal } = wish
  // Until the file of old gateways is there too, only the deadline of the wait bounds the hold.
  const options = { label: LABEL, maxHold: wish.legacyPeer ? Infinity : wish.maxHoldMs }
  const acquireOwn = (signal: AbortSignal | undefined): Promise<Hold> =>
    acquireWithFolder(wish, options.maxHold, signal)
  signal?.throwIfAborted()
  try {
    if (!wish.allowReentrant) return await acquireOwn(signal)
    return join(sessionFile, options) ?? (await acquireOrJoin(sessionFile, options, signal, acquireOwn))
  } catch (error) {
    throw isLockError(error, 'ERR_LOCK_TIMEOUT') ? sessionTimeout(wish.timeoutMs, error) : refusal(error, sessionFile)
  }
}

/** The folder is made when it is missed: where it is there, one native call does it all. */
async function acquireWithFolder(wish: Wish, maxHold: number, signal: AbortSignal | undefined): Promise<Hold> {
  for (let folders = 0; ; folders++) {
    const timeout = folders === 0 ? wish.timeoutMs : Math.max(0, Math.ceil(wish.deadline - performance.now()))
    try {
      return await acquire(wish.sessionFile, { label: LABEL, timeout, maxHold, signal })
    } catch (error) {
      if (folders === MOST_FOLDERS || !isLockError(error) || codeOf(error.cause) !== 'ENOENT') throw error
      await mkdir(dirname(error.lockfile ?? wish.sessionFile), { recursive: true })
    }
  }
}

async function enterLegacy(lock: HeldLock, wish: Wish): Promise<void> {
  const { hold } = lock
  try {
    const peer = await LegacyPeer.enter({ ...wish, assertHeld: () => hold.assertHeld() })
    lock.peer = peer
    endWith(hold.signal, peer)
    hold.extend(wish.maxHoldMs)
  } catch (error) {
    release(lock)
    throw refusal(error, wish.sessionFile)
  }
}

/** What listens refers to the file alone: nothing may keep a lost handle from being noticed. */
function endWith(signal: AbortSignal, peer: LegacyPeer): void {
  signal.addEventListener('abort', () => peer.end(), { once: true })
}

/** Of functions that need no `this`: callers take them apart. */
function handleOf(lock: HeldLock): SessionWriteLock {
  const { hold, peer } = lock
  return {
    release: () => {
      release(lock)
      return Promise.resolve()
    },
    get held() {
      return hold.held
    },
    get signal() {
      return hold.signal
    },
    guard: (fn) => {
      if (peer === null || typeof fn !== 'function') return hold.guard(fn)
      return hold.guard(() => peer.during(fn))
    },
    assertHeld: () => hold.assertHeld(),
  }
}

function wishOf(params: unknown): Wish {
  if (typeof params !== 'object' || params === null) throw invalidType('params', 'an object', params)
  const given = new Map<string, unknown>(entries(params, PARAMS))
  const timeoutMs = positive(milliseconds('timeoutMs', given)) ?? resolveSessionWriteLockAcquireTimeoutMs()
  const cancel = given.get('signal')
  milliseconds('staleMs', given)
  return {
    sessionFile: path('params.sessionFile', given.get('sessionFile')),
    timeoutMs,
    maxHoldMs: finite(milliseconds('maxHoldMs', given)) ?? resolveSessionWriteLockOptions().maxHoldMs,
    allowReentrant: boolean('params.allowReentrant', given.get('allowReentrant') ?? false),
    signal: cancel === undefined ? undefined : abortSignal('params.signal', cancel),
    legacyPeer: boolean('params.legacyPeer', given.get('legacyPeer') ?? legacyPeerByEnvironment()),
    deadline: performance.now() + timeoutMs,
  }
}

/** A number, or nothing; which numbers count is decided as the field does. */
function milliseconds(name: string, given: ReadonlyMap<string, unknown>): number | undefined {
  const value = given.get(name)
  if (value === undefined || typeof value === 'number') return value
  throw invalidType(`params.${name}`, 'a number of milliseconds', value)
}
