// The entry point holdfast/adapters/session-write-lock: what gateways call to lock a session file, on the kernel's lock.
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

import { acquire } from '../index.js'

export interface SessionWriteLockParams {
  /** The file that is going to be written; it need not exist. */
  sessionFile: string
  /** Milliseconds until the wait is given up, 60,000 by default; `Infinity` waits for ever. */
  timeoutMs?: number | undefined
  /** Milliseconds after which the hold ends by itself, 300,000 by default. */
  maxHoldMs?: number | undefined
}

export interface SessionWriteLock {
  /** Gives the lock back. Later calls do nothing. */
  release(): Promise<void>
}

const DEFAULT_TIMEOUT_MS = 60_000
const DEFAULT_MAX_HOLD_MS = 300_000

/** Waits for the lock of a session file. */
export async function acquireSessionWriteLock(params: SessionWriteLockParams): Promise<SessionWriteLock> {
  const { sessionFile, timeoutMs = DEFAULT_TIMEOUT_MS, maxHoldMs = DEFAULT_MAX_HOLD_MS } = params
  await mkdir(dirname(sessionFile), { recursive: true })
  const hold = await acquire(sessionFile, { timeout: timeoutMs, maxHold: maxHoldMs, label: 'session-write-lock' })
  return {
    release: () => {
      hold.release()
      return Promise.resolve()
    },
  }
}
