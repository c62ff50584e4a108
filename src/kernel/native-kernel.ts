// The kernel engine: the operating system's locks, through the addon. It turns numbers into the answers of the seam,
// failures into errors that Node's users know, and makes the lock file where there is none.
import { statSync, type Stats } from 'node:fs'
import { constants } from 'node:os'
import { toNamespacedPath } from 'node:path'
import { getSystemErrorName } from 'node:util'

import type { Answer, ClaimAnswer, How, Kernel, Lease, LockTarget, Mode, Probe } from './kernel.js'
import { loadAddon, type Addon } from './load-addon.js'
import { lockTarget } from './lock-target.js'
import { checkPermission } from './permission.js'

/** Shaped like Node's own: code, errno, syscall, path. */
export class SystemError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string
  readonly path: string

  constructor(errno: number, syscall: string, path: string) {
    const code = getSystemErrorName(errno)
    super(`${code}: ${syscall} '${path}'`)
    this.code = code
    this.errno = errno
    this.syscall = syscall
    this.path = path
  }
}

// The numbers of native/lease.h and native/addon.cc.
const MODES: Record<Mode, number> = { exclusive: 0, shared: 1 }
const HOWS: Record<How, number> = { try: 0, 'try-then-wait': 1, wait: 2, 'last-try': 3 }
const KINDS = ['granted', 'waiting', 'known', 'busy', 'no-thread', 'absent', 'replaced', 'failed'] as const
const DONE = 0
const FAILED = 2

/** A deleter that always wins against us is reported rather than fought for ever. */
const MOST_CREATIONS = 1000

/** EAGAIN, as libuv numbers it: the file vanished each time it was made. */
const VANISHED = process.platform === 'win32' ? -4088 : -constants.errno.EAGAIN

export class NativeKernel implements Kernel {
  onSettled: (lease: Lease) => void = () => {}
  private readonly addon: Addon = loadAddon().attach((lease) => this.onSettled(lease))

  locate(path: string, lockfile: string | undefined): LockTarget {
    const file = lockTarget(path, lockfile, this.isLink)
    checkPermission(file.lockfile)
    return file
  }

  request(file: LockTarget, mode: Mode, how: How): Answer {
    for (let creations = 0; creations < MOST_CREATIONS; creations++) {
      const number = this.addon.request(toNamespacedPath(file.lockfile), MODES[mode], HOWS[how])
      const kind = KINDS[number % KINDS.length]
      const lease = Math.floor(number / KINDS.length)
      switch (kind) {
        case 'granted':
        case 'waiting':
        case 'known':
          return { kind, lease }
        case 'busy':
        case 'no-thread':
          return { kind }
        case 'absent':
          this.create(file)
          break
        default:
          throw this.failure(file.lockfile)
      }
    }
    throw new SystemError(VANISHED, 'open', file.lockfile)
  }

  claim(lease: Lease, lockfile: string): ClaimAnswer {
    const kind = KINDS[this.addon.claim(lease, toNamespacedPath(lockfile)) % KINDS.length]
    switch (kind) {
      case 'granted':
        return { kind, lease }
      case 'waiting':
      case 'replaced':
        return { kind }
      default:
        throw this.failure(lockfile)
    }
  }

  drop(lease: Lease): void {
    this.addon.drop(lease)
  }

  names(lease: Lease, lockfile: string): boolean {
    return this.check(this.addon.names(lease, toNamespacedPath(lockfile)), lockfile)
  }

  read(lease: Lease, bytes: Uint8Array): number {
    return this.addon.read(lease, bytes)
  }

  write(lease: Lease, bytes: Uint8Array): boolean {
    return this.check(this.addon.write(lease, bytes), 'the lock record')
  }

  release(lease: Lease, ending: Uint8Array | null, prefix: number): void {
    this.addon.release(lease, ending, prefix)
  }

  identify(file: LockTarget): string {
    for (let creations = 0; creations < MOST_CREATIONS; creations++) {
      const answer = this.addon.identify(toNamespacedPath(file.lockfile))
      if (typeof answer === 'string') return answer
      if (answer === FAILED) throw this.failure(file.lockfile)
      this.create(file)
    }
    throw new SystemError(VANISHED, 'open', file.lockfile)
  }

  probe(lockfile: string): Probe {
    const answer = this.addon.probe(toNamespacedPath(lockfile))
    if (answer === FAILED) throw this.failure(lockfile)
    if (typeof answer === 'number') return { state: 'absent', content: null }
    return { state: answer.held ? 'held' : 'free', content: answer.content }
  }

  private readonly isLink = (path: string): boolean => this.addon.isLink(toNamespacedPath(path))

  /** Makes an empty lock file that whoever can use the target can use too. That it exists by now is as good. */
  private create(file: LockTarget): void {
    const { mode, uid, gid } = ownership(file.target)
    this.check(this.addon.create(toNamespacedPath(file.lockfile), mode, uid, gid), file.lockfile)
  }

  private check(answer: number, path: string): boolean {
    if (answer === FAILED) throw this.failure(path)
    return answer === DONE
  }

  private failure(path: string): SystemError {
    return new SystemError(...this.addon.failure(), path)
  }
}

/** Undefined for a target that is not there, or that we may not look at. */
function look(target: string): Stats | undefined {
  try {
    return statSync(target, { throwIfNoEntry: false })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EACCES' || code === 'ERR_ACCESS_DENIED') return undefined
    throw error
  }
}

/** The target's read and write bits and, when we are root, its owner; 0600 and ourselves where there is no target. */
function ownership(target: string): { mode: number; uid: number; gid: number } {
  const stats = look(target)
  if (stats === undefined) return { mode: 0o600, uid: -1, gid: -1 }
  const mode = (stats.mode & 0o666) | 0o600
  return process.getuid?.() === 0 ? { mode, uid: stats.uid, gid: stats.gid } : { mode, uid: -1, gid: -1 }
}
