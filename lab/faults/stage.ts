// The surroundings of one case: a fresh file, the other process, and what came of an operation as one word.
import { subscribe } from 'node:diagnostics_channel'
import { lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { isLockError, type FallbackEvent, type Hold } from 'holdfast'

import type { Fault, Faults } from './faults.js'
import type { Peer } from './peer.js'

/**
 * What came of it, for the table: `done`, `busy`, `timeout`, `aborted`, `lost`, `refused EIO`, `unsupported ENOLCK`; then
 * the fallbacks that were told, as in `done, record`.
 */
export type Came = string

export interface Ending {
  readonly came: Came
  /** What it holds now. */
  readonly holds: readonly Hold[]
}

const told = new Set<string>()
subscribe('holdfast:fallback', (event) => {
  const { kind } = event as FallbackEvent
  if (kind !== 'filesystem') told.add(kind)
})

export class Stage {
  readonly folder: string
  /** What is locked. */
  readonly file: string
  readonly other: string
  readonly peer: Peer
  /** Whether a wait is going to be in vain. */
  readonly hopeless: boolean
  private readonly faults: Faults
  private readonly fault: Fault

  constructor(folder: string, peer: Peer, faults: Faults, fault: Fault, hopeless: boolean) {
    this.folder = folder
    this.file = join(folder, 'file')
    this.other = join(folder, 'other')
    this.peer = peer
    this.faults = faults
    this.fault = fault
    this.hopeless = hopeless
    mkdirSync(folder)
  }

  /** The data file, so that its lock file is made like it. */
  makeTarget(): void {
    writeFileSync(this.file, '')
  }

  /** The lock file too. */
  makeLockFile(file = this.file): void {
    writeFileSync(`${file}.hold`, '', { mode: 0o600 })
  }

  /** `link` leads to the file. It is another user's where it can be, for then more is asked about it. */
  makeLink(): string {
    const link = join(this.folder, 'link')
    symlinkSync('file', link)
    if (process.getuid?.() === 0) lchownSync(link, 1, 1)
    return link
  }

  /** From here on the calls are counted, and the fault happens. */
  arm(): void {
    told.clear()
    this.faults.arm(this.fault)
  }

  /** What comes of it, until it has been answered. */
  async watch(answer: () => Hold | null | Promise<Hold | readonly Hold[] | null>): Promise<Ending> {
    try {
      const result = await answer()
      const holds = result === null ? [] : 'length' in result ? result : [result]
      return { came: named(result === null ? 'busy' : 'done'), holds }
    } catch (error) {
      return { came: named(nameOf(error)), holds: [] }
    }
  }

  /** What comes of something that gives no lock. */
  async look(answer: () => unknown): Promise<Ending> {
    try {
      await answer()
      return { came: named('done'), holds: [] }
    } catch (error) {
      return { came: named(nameOf(error)), holds: [] }
    }
  }
}

function named(word: string): Came {
  return [word, ...[...told].sort()].join(', ')
}

function nameOf(error: unknown): string {
  if (isLockError(error, 'ERR_LOCK_TIMEOUT')) return 'timeout'
  if (isLockError(error, 'ERR_LOCK_LOST')) return 'lost'
  if (isLockError(error, 'ERR_LOCK_OWNER_CLOSED')) return 'closed'
  if (isLockError(error, 'ERR_LOCK_SYSTEM')) return `refused ${systemCode(error.cause)}`
  if (isLockError(error, 'ERR_LOCK_UNSUPPORTED')) return `unsupported ${systemCode(error.cause)}`
  if (error instanceof Error && error.name === 'AbortError') return 'aborted'
  return `an unknown failure: ${String(error)}`
}

/** Of a cause as Node's users know it: code, errno, syscall and path. */
function systemCode(cause: unknown): string {
  if (!(cause instanceof Error)) return 'without a cause'
  const { code, errno, syscall, path }: NodeJS.ErrnoException = cause
  const whole = typeof errno === 'number' && typeof syscall === 'string' && typeof path === 'string'
  return whole ? String(code) : `${String(code)}, and the cause lacks errno, syscall or path`
}
