// A deterministic system of files and locks in memory, and the kernels of its threads. It keeps the contract of the
// seam (test/kernel/contract.ts is run on it) and delivers a grant only when the test says so: both orders of every
// race can be driven.
import type {
  Answer,
  ClaimAnswer,
  How,
  Kernel,
  Lease,
  LockTarget,
  Mode,
  Probe,
  Where,
} from '../../src/kernel/kernel.js'
import { LOCAL } from './filesystem.js'

type State = 'looked' | 'waiting' | 'orphaned' | 'granted' | 'failed' | 'held' | 'lapsed'

export interface Inode {
  readonly number: number
  content: string
  /** In the order in which they asked; those that have the lock and those that wait for it. */
  readonly claims: FakeLease[]
}

export interface FakeLease {
  readonly id: Lease
  readonly kernel: FakeKernel
  readonly inode: Inode
  readonly mode: Mode
  state: State
  failure: Error | null
  guards: number
  /** By the system's clock. */
  limit: number
  grace: number
  atLimit: { ending: string; prefix: number }
}

export class FakeSystem {
  private readonly files = new Map<string, Inode>()
  /** Symlinks, and where they lead. */
  readonly links = new Map<string, string>()
  private readonly notices: FakeLease[] = []
  private readonly inodes = new Set<Inode>()
  private readonly leases = new Map<Lease, FakeLease>()
  private lastInode = 0
  private lastLease = 0
  /** Every call of every kernel, for tests of what was not called. */
  readonly calls: string[] = []
  /** No wait can start. */
  threadless = false
  /** How many threads each kernel may have, orphans included. */
  threads = Infinity
  /** A thread that could have its lock stays blocked until wake() says so: whoever tries meanwhile comes first. */
  slowThreads = false
  /** No lock file can be written. */
  readOnly = false
  now: () => number = () => 0
  /** Told of each call before anything of it is done: what other threads and the watchdog do then comes in between. */
  onCall: (call: string) => void = () => {}
  /** A path of which nobody can tell whether it is a symlink. */
  readonly untold = '/untold'
  /** Leases past their limit stay until watch() is called. */
  watchdogSleeps = false

  called(call: string): void {
    this.calls.push(call)
    this.onCall(call)
  }

  open(): FakeKernel {
    return new FakeKernel(this)
  }

  inodeOf(path: string): Inode | undefined {
    return this.files.get(path)
  }

  create(path: string): Inode {
    if (path.includes('/missing/')) throw systemFailure('ENOENT', -2, path)
    const inode = this.files.get(path) ?? { number: ++this.lastInode, content: '', claims: [] }
    this.files.set(path, inode)
    this.inodes.add(inode)
    return inode
  }

  remove(path: string): void {
    this.files.delete(path)
  }

  link(path: string, other: string): void {
    this.files.set(other, this.create(path))
  }

  /** Also those on files that no path names any more. */
  leasesOf(kernel: FakeKernel): FakeLease[] {
    return [...this.leases.values()].filter((lease) => lease.kernel === kernel)
  }

  /** Undefined for one that has ended, or is another kernel's. */
  leaseOf(kernel: FakeKernel, id: Lease): FakeLease | undefined {
    const lease = this.leases.get(id)
    return lease?.kernel === kernel ? lease : undefined
  }

  /** How many threads of a kernel are blocked. */
  threadsOf(kernel: FakeKernel): number {
    let count = 0
    for (const lease of this.leases.values()) if (lease.kernel === kernel && isBlocked(lease)) count++
    return count
  }

  add(kernel: FakeKernel, inode: Inode, mode: Mode, state: State): FakeLease {
    const lease: FakeLease = {
      id: ++this.lastLease,
      kernel,
      inode,
      mode,
      state,
      failure: null,
      guards: 0,
      limit: Infinity,
      grace: Infinity,
      atLimit: { ending: '', prefix: 0 },
    }
    inode.claims.push(lease)
    this.leases.set(lease.id, lease)
    return lease
  }

  isAvailable(inode: Inode, mode: Mode): boolean {
    for (const owner of inode.claims) {
      const has = owner.state === 'held' || owner.state === 'granted'
      if (has && (mode === 'exclusive' || owner.mode === 'exclusive')) return false
    }
    return true
  }

  /** Takes a lease out, and lets the queue move up. */
  end(lease: FakeLease): void {
    this.forget(lease)
    this.grant(lease.inode)
  }

  grant(inode: Inode): void {
    if (this.slowThreads) return
    for (const lease of [...inode.claims]) {
      if (!isBlocked(lease) || !this.isAvailable(inode, lease.mode)) continue
      const orphaned = lease.state === 'orphaned'
      this.unblock(lease)
      if (orphaned) return
    }
  }

  /** Lets one thread have the lock that it could have, whoever asked before it. False when there is none. */
  wake(which: number): boolean {
    const ready = [...this.leases.values()].filter((lease) => {
      return isBlocked(lease) && this.isAvailable(lease.inode, lease.mode)
    })
    const lease = ready[which % ready.length]
    if (lease !== undefined) this.unblock(lease)
    return lease !== undefined
  }

  private unblock(lease: FakeLease): void {
    if (lease.state === 'orphaned') {
      this.end(lease)
      return
    }
    lease.state = 'granted'
    lease.limit = Math.min(lease.limit, this.now() + lease.grace)
    this.notices.push(lease)
  }

  private forget(lease: FakeLease): void {
    lease.inode.claims.splice(lease.inode.claims.indexOf(lease), 1)
    this.leases.delete(lease.id)
  }

  /** The watchdog: ends what is past its limit and not guarded. */
  watch(): void {
    for (const inode of this.inodes) {
      for (const lease of [...inode.claims]) {
        if (lease.limit > this.now() || lease.guards > 0) continue
        if (lease.state === 'held') {
          stamp(inode, lease.atLimit.ending, lease.atLimit.prefix)
          this.end(lease)
        } else if (lease.state === 'granted') {
          lease.state = 'lapsed'
          this.grant(inode)
        }
      }
    }
  }

  /** The kernel refuses a wait after all. */
  fail(path: string, error: Error): void {
    const lease = this.files.get(path)?.claims.find(({ state }) => state === 'waiting')
    if (lease === undefined) throw new Error(`nobody waits for ${path}`)
    lease.state = 'failed'
    lease.failure = error
    this.notices.push(lease)
  }

  /** Delivers what the event loops have not been told yet. */
  deliver(): void {
    for (const lease of this.notices.splice(0)) notify(lease)
  }

  /** The answer is there, and the event loop not told of it yet. */
  look(kernel: FakeKernel): FakeLease {
    const nowhere: Inode = { number: 0, content: '', claims: [] }
    const lease = this.add(kernel, nowhere, 'shared', 'looked')
    this.notices.push(lease)
    return lease
  }

  /** Whose event loops have not been told of something; one entry for each notice, the oldest first. */
  get undelivered(): FakeKernel[] {
    return this.notices.map(({ kernel }) => kernel)
  }

  /** Delivers one of the notices, whichever came first. False when there is none. */
  deliverOne(which: number): boolean {
    const [lease] = this.notices.splice(which % Math.max(1, this.notices.length), 1)
    if (lease !== undefined) notify(lease)
    return lease !== undefined
  }

  /** The thread of a kernel ends: what it held or was granted is free, guarded or not, and what it waits for is orphaned. */
  terminate(kernel: FakeKernel): void {
    kernel.onSettled = () => {}
    const leases = this.leasesOf(kernel)
    for (const lease of leases) if (lease.state === 'waiting') lease.state = 'orphaned'
    for (const lease of leases) if (lease.state !== 'orphaned') this.end(lease)
  }

  /** The process of a kernel dies: of what it held or waited for nothing is left, no thread either. */
  crash(kernel: FakeKernel): void {
    kernel.onSettled = () => {}
    const leases = this.leasesOf(kernel)
    for (const lease of leases) this.forget(lease)
    for (const { inode } of leases) this.grant(inode)
  }

  /** Nothing holds, waits or lies around for this file any more. */
  isQuiet(path: string): boolean {
    return this.files.get(path)?.claims.length === 0
  }
}

export class FakeKernel implements Kernel {
  onSettled: (lease: Lease) => void = () => {}
  private readonly system: FakeSystem
  /** The next request throws this. */
  nextFailure: Error | null = null

  constructor(system: FakeSystem) {
    this.system = system
  }

  locate(path: string, { lockfile }: Where): LockTarget {
    this.system.called('locate')
    return { target: path, lockfile: lockfile ?? `${path}.hold`, filesystem: LOCAL, unfollowed: false, strict: false }
  }

  look(): { kind: 'waiting'; lease: Lease } {
    return { kind: 'waiting', lease: this.system.look(this).id }
  }

  looked(id: Lease, target: string): string | null {
    const lease = this.find(id)
    if (lease?.state !== 'looked') return null
    this.system.end(lease)
    if (target === this.system.untold) throw systemFailure('EIO', -5, target, 'readlink')
    return this.system.links.get(target) ?? null
  }

  follow(file: LockTarget, destination: string | null): LockTarget {
    if (destination === null) return { ...file, unfollowed: false }
    return this.locate(destination, { strict: file.strict, atOnce: false })
  }

  request(file: LockTarget, mode: Mode, how: How): Answer {
    this.system.called(`request ${how} ${mode}`)
    if (this.nextFailure !== null) {
      const failure = this.nextFailure
      this.nextFailure = null
      throw failure
    }
    const inode = this.system.create(file.lockfile)
    const ours = inode.claims.filter(({ kernel }) => kernel === this)
    const known = ours.find(({ state }) => state !== 'orphaned' && state !== 'lapsed')
    if (known !== undefined && how !== 'last-try') return { kind: 'known', lease: known.id }

    const orphan = ours.find((lease) => lease.state === 'orphaned' && lease.mode === mode)
    const waits = how === 'try-then-wait' || how === 'wait'
    if (orphan !== undefined && waits && (mode === 'exclusive' || how === 'wait')) return this.adopt(orphan)
    if (how !== 'wait') {
      if (this.system.isAvailable(inode, mode)) {
        return { kind: 'granted', lease: this.system.add(this, inode, mode, 'held').id }
      }
      if (!waits) return { kind: 'busy' }
      if (orphan !== undefined) return this.adopt(orphan)
    }
    if (this.system.threadless || this.system.threadsOf(this) >= this.system.threads) return { kind: 'no-thread' }
    const lease = this.system.add(this, inode, mode, 'waiting')
    this.system.grant(inode)
    return { kind: 'waiting', lease: lease.id }
  }

  claim(id: Lease, lockfile: string): ClaimAnswer {
    this.system.called('claim')
    const lease = this.find(id)
    if (lease === undefined || lease.state === 'waiting' || lease.state === 'orphaned') return { kind: 'waiting' }
    if (lease.failure !== null) {
      this.system.end(lease)
      throw lease.failure
    }
    if (lease.state === 'lapsed' || this.system.inodeOf(lockfile) !== lease.inode) {
      this.system.end(lease)
      return { kind: 'replaced' }
    }
    lease.state = 'held'
    lease.limit = Infinity
    return { kind: 'granted', lease: id }
  }

  drop(id: Lease): void {
    this.system.called('drop')
    const lease = this.find(id)
    if (lease?.state === 'waiting') lease.state = 'orphaned'
    else if (lease !== undefined && lease.state !== 'orphaned' && lease.state !== 'held') this.system.end(lease)
  }

  limit(id: Lease, milliseconds: number, ending: Uint8Array | null, prefix: number): 'limited' | 'ended' | 'unwatched' {
    this.system.called('limit')
    const lease = this.find(id)
    if (lease?.state !== 'held' || lease.limit <= this.system.now()) return 'ended'
    lease.limit = this.system.now() + milliseconds
    lease.atLimit = { ending: Buffer.from(ending ?? []).toString('latin1'), prefix }
    return 'limited'
  }

  limitWait(id: Lease, grace: number, rest: number): void {
    const lease = this.find(id)
    if (lease === undefined) return
    lease.grace = grace
    if (lease.state === 'waiting') lease.limit = this.system.now() + rest
    if (lease.state === 'granted') lease.limit = Math.min(lease.limit, this.system.now() + grace)
  }

  enterGuard(id: Lease): boolean {
    this.system.called('enterGuard')
    const lease = this.find(id)
    if (lease?.state !== 'held' || lease.limit <= this.system.now()) return false
    lease.guards++
    return true
  }

  exitGuard(id: Lease): void {
    const lease = this.find(id)
    if (lease?.state !== 'held') return
    lease.guards--
    if (!this.system.watchdogSleeps) this.system.watch()
  }

  names(id: Lease, lockfile: string): boolean {
    this.system.called('names')
    const lease = this.find(id)
    return lease !== undefined && this.system.inodeOf(lockfile) === lease.inode
  }

  read(id: Lease, bytes: Uint8Array): number {
    const content = Buffer.from(this.find(id)?.inode.content ?? '', 'latin1').subarray(0, bytes.length)
    bytes.set(content)
    return content.length
  }

  write(id: Lease, bytes: Uint8Array): boolean {
    const inode = this.find(id)?.inode
    if (inode === undefined || this.system.readOnly) return false
    inode.content = Buffer.from(bytes).toString('latin1') + inode.content.slice(bytes.length)
    return true
  }

  release(id: Lease, ending: Uint8Array | null, prefix: number): void {
    this.system.called('release')
    const lease = this.find(id)
    if (lease?.state !== 'held') return
    stamp(lease.inode, Buffer.from(ending ?? []).toString('latin1'), prefix)
    this.system.end(lease)
  }

  identify(file: LockTarget): string {
    return String(this.system.create(file.lockfile).number).padStart(8, '0')
  }

  probe({ lockfile }: LockTarget): Probe {
    const inode = this.system.inodeOf(lockfile)
    if (inode === undefined) return { state: 'absent', content: null }
    return { state: this.system.isAvailable(inode, 'shared') ? 'free' : 'held', content: inode.content }
  }

  peek({ lockfile }: LockTarget): string | null {
    return this.system.inodeOf(lockfile)?.content ?? null
  }

  private adopt(orphan: FakeLease): Answer {
    orphan.state = 'waiting'
    orphan.limit = orphan.grace = Infinity
    this.system.grant(orphan.inode)
    return { kind: 'waiting', lease: orphan.id }
  }

  private find(id: Lease): FakeLease | undefined {
    return this.system.leaseOf(this, id)
  }
}

function isBlocked({ state }: FakeLease): boolean {
  return state === 'waiting' || state === 'orphaned'
}

function notify({ kernel, id, state }: FakeLease): void {
  if (state === 'looked' || state === 'granted' || state === 'failed' || state === 'lapsed') kernel.onSettled(id)
}

function stamp(inode: Inode, ending: string, prefix: number): void {
  if (ending === '' || !inode.content.startsWith(ending.slice(0, prefix))) return
  inode.content = ending + inode.content.slice(ending.length)
}

export function systemFailure(code: string, errno: number, path: string, syscall = 'flock'): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, errno, syscall, path })
}
