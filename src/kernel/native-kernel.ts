// The kernel engine: the operating system's locks, through the addon. It turns numbers into the answers of the seam,
// failures into errors that Node's users know, and makes the lock file where there is none.
import { toNamespacedPath } from 'node:path'

import type { Claim, DataFiles, Report, Task, Wish } from './data-files.js'
import type { Filesystem } from './filesystem.js'
import { Filesystems } from './filesystems.js'
import type { Answer, ClaimAnswer, How, Kernel, Lease, LockTarget, Mode, Probe, Where } from './kernel.js'
import { attachAddon } from './load-addon.js'
import { destinationOf, lockTarget, type Ask } from './lock-target.js'
import { mountsNow, type MountList } from './mount-table.js'
import { checkPermission } from './permission.js'
import { fs, os } from './late.js'
import { isSystemFailure, SystemError, systemErrorOf } from './system-error.js'

// The numbers of native/lease.h and native/addon.cc.
const MODES: Record<Mode, number> = { exclusive: 0, shared: 1 }
const HOWS: Record<How, number> = { try: 0, 'try-then-wait': 1, wait: 2, 'last-try': 3 }
const KINDS = ['granted', 'waiting', 'known', 'busy', 'no-thread', 'absent', 'replaced', 'failed', 'strange'] as const
/** A lease's number and what became of it travel as one number. */
const KINDS_OF_A_LEASE = 16
const TASKS: Record<Task, number> = { look: 0, append: 1, cut: 2, replace: 3, remove: 4 }
const EXPECTED = { any: 0, absent: 1, exact: 2, 'at-least': 3 } as const
const CAME = ['done', 'absent', 'differs', 'torn', 'lost', 'failed', 'foreign'] as const
const LIMITS = ['limited', 'ended', 'unwatched'] as const
const DONE = 0
const FAILED = 2

/** A deleter that always wins against us is reported rather than fought for ever. */
const MOST_CREATIONS = 1000

/** EAGAIN, as libuv numbers it: the file vanished each time it was made. */
function vanished(): number {
  return process.platform === 'win32' ? -4088 : -os().constants.errno.EAGAIN
}

const PRIVATE = 0o600

export class NativeKernel implements Kernel, DataFiles {
  onSettled: (lease: Lease) => void = () => {}
  private readonly addon = attachAddon((number) => this.settled(number))
  private readonly changes = new Map<number, () => void>()
  private readonly filesystems: Filesystems
  /** What may be asked now, and what must not keep the caller waiting. */
  private readonly now: Ask
  private readonly later: Ask
  /** A local file whose path means the same wherever it is used. */
  private last: LockTarget | null = null
  private lastVersion = 0

  /** `mounts` says where paths lie; by default the system does. */
  constructor(mounts?: () => MountList) {
    this.filesystems = new Filesystems({
      mounts: mounts ?? (() => mountsNow(() => this.addon.mounts())),
      link: (path) => this.destination(path, this.addon.readLink(toNamespacedPath(path))),
      now: () => performance.now(),
      changed: () => this.addon.distrust(),
    })
    const isDistant = (folder: string): boolean => this.filesystems.ofFolder(folder).distant
    const link = (path: string): string | null => {
      return this.filesystems.isMountPoint(path) ? null : this.link(path, this.filesystems.of(path).distant)
    }
    this.now = { isDistant, link }
    this.later = { isDistant, link: (path) => (this.filesystems.of(path).distant ? undefined : link(path)) }
  }

  locate(path: string, where: Where): LockTarget {
    const file = this.sameAgain(path, where) ?? this.find(path, where)
    checkPermission(file.lockfile)
    return file
  }

  /** Where a folder lies. Asks nothing of a filesystem that may not answer. */
  filesystemOf(folder: string): Filesystem {
    return this.filesystems.ofFolder(folder)
  }

  look(target: string): { kind: 'waiting'; lease: Lease } | { kind: 'no-thread' } {
    const number = this.addon.look(toNamespacedPath(target))
    const lease = Math.floor(number / KINDS_OF_A_LEASE)
    return lease === 0 ? { kind: 'no-thread' } : { kind: 'waiting', lease }
  }

  looked(lease: Lease, target: string): string | null {
    return this.destination(target, this.addon.looked(lease))
  }

  follow(file: LockTarget, destination: string | null): LockTarget {
    const { target, strict } = file
    if (destination === null) return { ...file, unfollowed: false }
    const next = destinationOf(target, destination, this.later)
    return this.locate(next, { strict, atOnce: false })
  }

  request(file: LockTarget, mode: Mode, how: How): Answer {
    for (let creations = 0; creations < MOST_CREATIONS; creations++) {
      const number = this.requestOnce(file, mode, how)
      const kind = KINDS[number % KINDS_OF_A_LEASE]
      const lease = Math.floor(number / KINDS_OF_A_LEASE)
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
        case 'strange':
          return this.request(this.lookAgain(file), mode, how)
        default:
          throw this.failure(file.lockfile)
      }
    }
    throw new SystemError(vanished(), 'open', file.lockfile)
  }

  claim(lease: Lease, lockfile: string): ClaimAnswer {
    const number = this.addon.claim(lease, toNamespacedPath(lockfile))
    const kind = KINDS[number % KINDS_OF_A_LEASE]
    switch (kind) {
      case 'granted':
      case 'known':
        return { kind, lease: Math.floor(number / KINDS_OF_A_LEASE) }
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

  limit(lease: Lease, milliseconds: number, ending: Uint8Array | null, prefix: number): (typeof LIMITS)[number] {
    return LIMITS[this.addon.limit(lease, atLeastOne(milliseconds), ending, prefix)] ?? 'ended'
  }

  limitWait(lease: Lease, grace: number, rest: number): void {
    this.addon.limitWait(lease, atLeastOne(grace), atLeastOne(rest))
  }

  enterGuard(lease: Lease): boolean {
    return this.addon.enterGuard(lease)
  }

  exitGuard(lease: Lease): void {
    this.addon.exitGuard(lease)
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

  identify({ lockfile, target, filesystem }: LockTarget): string {
    const answer = this.addon.identify(toNamespacedPath(lockfile), toNamespacedPath(target), filesystem.distant)
    if (typeof answer === 'number') throw this.failure(lockfile)
    return answer
  }

  probe({ lockfile, filesystem }: LockTarget): Probe {
    const answer = this.addon.probe(toNamespacedPath(lockfile), filesystem.distant)
    if (answer === FAILED) throw this.failure(lockfile)
    if (typeof answer === 'number') return { state: 'absent', content: null }
    return { state: answer.held ? 'held' : 'free', content: answer.content }
  }

  peek({ lockfile, filesystem }: LockTarget): string | null {
    const answer = this.addon.peek(toNamespacedPath(lockfile), filesystem.distant)
    return typeof answer === 'string' ? answer : null
  }

  async change(wish: Wish, claim: Claim | null): Promise<Report> {
    const { path, other = '', known = null } = wish
    checkPermission(path)
    if (other !== '') checkPermission(other)
    const number = this.addon.change({
      task: TASKS[wish.task],
      expected: EXPECTED[wish.expected ?? 'any'],
      path: toNamespacedPath(path),
      other: other === '' ? '' : toNamespacedPath(other),
      bytes: wish.bytes ?? null,
      name: known?.name ?? '',
      size: known?.size ?? 0,
      synced: wish.synced ?? false,
      folder: wish.folder ?? false,
      carries: wish.carries ?? false,
      forgetful: wish.forgetful ?? false,
      tail: wish.tail ?? false,
      from: wish.from ?? 0,
      most: wish.most ?? 0,
      mode: wish.mode ?? PRIVATE,
      lease: claim?.lease ?? 0,
      ends: claim?.ends ?? false,
      ending: claim?.ending ?? null,
      prefix: claim?.prefix ?? 0,
    })
    await new Promise<void>((resolve) => this.changes.set(number, resolve))
    return this.report(number, path)
  }

  /** A wait or a change has. */
  private settled(number: number): void {
    const change = this.changes.get(number)
    if (change === undefined) {
      this.onSettled(number)
      return
    }
    this.changes.delete(number)
    change()
  }

  private report(number: number, path: string): Report {
    const { came, error, call, ...facts } = this.addon.changed(number)
    const failure = CAME[came] === 'failed' ? new SystemError(error, call, path) : null
    return { ...facts, came: CAME[came] ?? 'failed', failure }
  }

  private find(path: string, { lockfile, strict, atOnce }: Where): LockTarget {
    const names = lockTarget(path, lockfile, atOnce ? this.now : this.later)
    const file = { ...names, filesystem: this.filesystems.of(names.lockfile), strict }
    this.filesystems.admit(file)
    const plain = lockfile === undefined && names.target === path && file.filesystem.kind === 'local'
    this.last = plain && !file.filesystem.distant ? file : null
    this.lastVersion = this.filesystems.version
    return file
  }

  /** What was located last, if it is asked for again, is still no link, and nothing was mounted meanwhile. */
  private sameAgain(path: string, { lockfile, strict }: Where): LockTarget | null {
    const { last } = this
    if (last === null || last.target !== path || lockfile !== undefined || last.strict !== strict) return null
    if (this.lastVersion !== this.filesystems.version || this.link(path, false) !== null) return null
    return last
  }

  private requestOnce({ lockfile, target, filesystem }: LockTarget, mode: Mode, how: How): number {
    const path = toNamespacedPath(lockfile)
    if (!filesystem.distant) return this.addon.request(path, MODES[mode], HOWS[how])
    return this.addon.requestDistant(path, MODES[mode], HOWS[how], toNamespacedPath(target))
  }

  /**
   * The file lies on a volume that was not met before. Usually because nothing was locked there yet; but something may
   * have been mounted since the folder was looked at.
   */
  private lookAgain(file: LockTarget): LockTarget {
    const looked = { ...file, filesystem: this.filesystems.ofNow(file.lockfile) }
    this.filesystems.admit(looked)
    if (!looked.filesystem.distant) this.addon.trust()
    return looked
  }

  private link(path: string, aside: boolean): string | null {
    return this.destination(path, this.addon.followLink(toNamespacedPath(path), aside))
  }

  /** Where a link leads, by what the addon answered; null: it is none. */
  private destination(link: string, answer: string | number): string | null {
    if (typeof answer === 'string') return answer === '' ? readByNode(link) : answer
    this.check(answer, link)
    return null
  }

  /**
   * Makes an empty lock file that whoever can use the target can use too; for ourselves alone where the target must not
   * be asked. That it exists by now is as good.
   */
  private create({ lockfile, target }: LockTarget): void {
    const like = this.mayAsk(target) ? target : lockfile // the lock file itself is not there
    this.check(this.addon.create(toNamespacedPath(lockfile), toNamespacedPath(like)), lockfile)
  }

  private mayAsk(target: string): boolean {
    try {
      return !this.filesystems.of(target).distant && !this.filesystems.isMountPoint(target)
    } catch (error) {
      if (isSystemFailure(error) && error.code === 'EACCES') return false
      throw error
    }
  }

  private check(answer: number, path: string): boolean {
    if (answer === FAILED) throw this.failure(path)
    return answer === DONE
  }

  private failure(path: string): SystemError {
    return new SystemError(...this.addon.failure(), path)
  }
}

/** Whole milliseconds, for 0 is without limit to the addon; rounded up, so that the kernel is never before us. */
function atLeastOne(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds))
}

/** What Node cannot read as a link: a volume that is mounted on a folder, or what was a link a moment ago. */
const NO_LINK = new Set(['EINVAL', 'UNKNOWN', 'ENOENT', 'ENOTDIR'])

/** Where a link of Windows leads. */
function readByNode(link: string): string | null {
  try {
    return fs().readlinkSync(link)
  } catch (error) {
    if (isSystemFailure(error) && NO_LINK.has(error.code)) return null
    throw systemErrorOf(error, link)
  }
}
