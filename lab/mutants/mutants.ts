// Bugs that somebody could make in the code, one by one, and the tests that must notice each. A bug that none notices would
// be a promise that nobody keeps. Those of the protocol itself are in lab/spec/mutants.ts.

export interface Mutant {
  /** What the code does not do any more, or does wrongly. */
  readonly name: string
  readonly file: string
  /** Stands in the file once. */
  readonly find: string
  readonly replace: string
  /** Files of tests, of which at least one must fail. */
  readonly tests: readonly string[]
  /** They skip without a PostgreSQL server, so this is not planted then. */
  readonly needsServer?: true
}

const POSIX = 'native/lock_posix.cc'
const LEASE = 'native/lease.cc'
const REGISTRY = 'native/registry.cc'
const WATCHDOG = 'native/watchdog.cc'
const QUEUE = 'src/coordination/file-queue.ts'
const HOLD = 'src/coordination/hold-state.ts'
const OWNER = 'src/coordination/owner-state.ts'
const TENURE = 'src/coordination/tenure.ts'
const POSTGRES = 'src/postgres/postgres-kernel.ts'
const ROOM = 'src/postgres/waiting-room.ts'
const SESSION = 'src/postgres/session.ts'
/** On a server that is made up, so that they run where there is none. */
const SCRIPTED = ['test/postgres/scripted.test.ts', 'test/postgres/session.test.ts', 'test/postgres/front.test.ts']

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'nothing is locked',
    file: POSIX,
    find: 'if (Flock(static_cast<int>(handle_), Operation(mode) | LOCK_NB) == 0) return {};',
    replace: 'if (Operation(mode) >= 0) return {};',
    tests: ['test/processes/exclusion.test.ts'],
  },
  {
    name: 'exclusive requests lock shared',
    file: POSIX,
    find: 'return mode == Mode::kExclusive ? LOCK_EX : LOCK_SH;',
    replace: 'return mode == Mode::kExclusive ? LOCK_SH : LOCK_SH;',
    tests: ['test/processes/exclusion.test.ts'],
  },
  {
    name: 'children inherit the lock',
    file: POSIX,
    find: 'access | O_CLOEXEC | O_NOFOLLOW',
    replace: 'access | O_NOFOLLOW',
    tests: ['test/processes/children.test.ts'],
  },
  {
    name: 'a planted link is followed',
    file: POSIX,
    find: 'O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK',
    replace: 'O_CLOEXEC | O_NONBLOCK',
    tests: ['test/surroundings/lock-file.test.ts'],
  },
  {
    name: 'a target that cannot be read as a link is taken for a file',
    file: POSIX,
    find: 'return MeansNoLink(errno) ? Result::Of(Outcome::kAbsent) : Failed("readlink", errno);',
    replace: 'return Result::Of(Outcome::kAbsent);',
    tests: ['test/lab/faults.test.ts', 'test/kernel/links.test.ts'],
  },
  {
    name: 'a target that is a link of another user in a folder of everybody is followed',
    file: POSIX,
    find: 'return anybodys && link.st_uid != folder.st_uid ? Failed',
    replace: 'return anybodys && link.st_uid == folder.st_uid && link.st_uid == geteuid() ? Failed',
    tests: ['test/kernel/links.test.ts'],
  },
  {
    name: 'a directory or device is taken for a lock file',
    file: POSIX,
    find: 'if (!S_ISREG(status.st_mode)) return {Outcome::kFailed, kNotRegularFile, "open"};',
    replace: '',
    tests: ['test/surroundings/lock-file.test.ts'],
  },
  {
    name: 'an interrupted call is taken for a failure',
    file: POSIX,
    find: 'result = flock(fd, operation);\n  } while (result != 0 && errno == EINTR);',
    replace: 'result = flock(fd, operation);\n  } while (false);',
    tests: ['test/lab/faults.test.ts'],
  },
  {
    name: 'a short write of the record is taken for a whole one',
    file: POSIX,
    find: '  while (written < size) {\n    const ssize_t count = pwrite(',
    replace: '  for (bool once = true; once; once = false) {\n    const ssize_t count = pwrite(',
    tests: ['test/lab/faults.test.ts'],
  },
  {
    name: 'a replaced lock file is not noticed',
    file: POSIX,
    find: 'return IdentityOf(status) == identity ? Result() : Result::Of(Outcome::kReplaced);',
    replace: 'return IdentityOf(status) == identity ? Result() : Result();',
    tests: ['test/processes/replaced.test.ts'],
  },
  {
    name: 'a grant that was waited for is not checked against its path',
    file: LEASE,
    find: 'const Result named = NamesNow(lease->distant != nullptr, path, lease->file.identity());  // without limit',
    replace: 'const Result named = path == nullptr ? NamesNow(false, path, lease->file.identity()) : Result();',
    tests: ['test/kernel/native-kernel.test.ts', 'test/processes/replaced.test.ts'],
  },
  {
    name: 'an aborted wait is granted',
    file: LEASE,
    find: '      lease->state = State::kOrphaned;\n',
    replace: '',
    tests: ['test/kernel/native-kernel.test.ts', 'test/processes/orphans.test.ts'],
  },
  {
    name: 'an orphan keeps the lock',
    file: LEASE,
    find: '    Unlink(lease);\n  }\n  if (result.done()) lease->file.Unlock();\n  DeleteLease(lease);',
    replace: '    if (result.done()) return;\n    Unlink(lease);\n  }\n  DeleteLease(lease);',
    tests: ['test/processes/orphans.test.ts'],
  },
  {
    name: 'an orphan of the other mode is adopted',
    file: REGISTRY,
    find: 'lease->mode == mode && lease->file.identity() == identity)) {\n    lease = lease->next_with_file;\n  }\n  return lease;\n}\n\nLease* FindDistant',
    replace:
      'mode >= Mode::kExclusive && lease->file.identity() == identity)) {\n    lease = lease->next_with_file;\n  }\n  return lease;\n}\n\nLease* FindDistant',
    tests: ['test/kernel/native-kernel.test.ts', 'test/processes/orphans.test.ts'],
  },
  {
    name: 'a guard is entered past the deadline',
    file: LEASE,
    find: 'if (lease == nullptr || IsOverdue(lease, Now())) return false;\n  ++lease->guards;\n  return true;',
    replace: 'if (lease == nullptr) return false;\n  ++lease->guards;\n  return true;',
    tests: ['test/kernel/native-kernel.test.ts', 'test/processes/max-hold.test.ts'],
  },
  {
    name: 'the watchdog frees a lock in the middle of a guard',
    file: REGISTRY,
    find: 'if (!holds || lease->limit == 0 || lease->guards > 0) continue;',
    replace: 'if (!holds || lease->limit == 0) continue;',
    tests: ['test/kernel/native-kernel.test.ts', 'test/processes/guards.test.ts'],
  },
  {
    name: 'the watchdog sleeps on',
    file: WATCHDOG,
    find: '  next_look = limit;\n  bell->Ring();',
    replace: '  next_look = limit;',
    tests: ['test/kernel/native-kernel.test.ts', 'test/processes/max-hold.test.ts'],
  },
  {
    name: 'a worker that ends keeps its locks',
    file: LEASE,
    find: '    ended = UnlinkAll(environment);\n',
    replace: '    ended = nullptr;\n',
    tests: ['test/processes/terminate.test.ts'],
  },
  {
    name: 'the record of an end is written after the unlock',
    file: LEASE,
    find: '    Stamp(&lease->file, ending);\n    lease->file.Unlock();\n  }\n  DeleteLease(lease);\n}\n\nvoid ReleaseAll',
    replace:
      '    lease->file.Unlock();\n    Stamp(&lease->file, ending);\n  }\n  DeleteLease(lease);\n}\n\nvoid ReleaseAll',
    tests: ['test/processes/record-order.test.ts'],
  },
  {
    name: 'a release does not advance the queue',
    file: QUEUE,
    find: '    this.tenure?.left(hold, reason)\n    this.advance()',
    replace: '    this.tenure?.left(hold, reason)',
    tests: ['test/coordination/queue.test.ts'],
  },
  {
    name: 'two are granted by one release',
    file: QUEUE,
    find: '    if (!this.tenure.isFree) return this.join(this.tenure, first)\n',
    replace: '',
    tests: ['test/coordination/queue.test.ts', 'test/coordination/random.test.ts'],
  },
  {
    name: 'a lock is handed over although its path names another file',
    file: QUEUE,
    find: "} else if (this.standing(tenure, first.request) === 'here') {",
    replace: "} else if (this.standing(tenure, first.request) !== 'over') {",
    tests: ['test/coordination/races.test.ts', 'test/processes/replaced.test.ts', 'test/coordination/random.test.ts'],
  },
  {
    name: 'a shared request overtakes an exclusive one',
    file: QUEUE,
    find: "if (this.waiters.first !== null || tenure.mode === 'exclusive' || request.mode === 'exclusive') return null",
    replace: "if (tenure.mode === 'exclusive' || request.mode === 'exclusive') return null",
    tests: ['test/coordination/queue.test.ts', 'test/coordination/random.test.ts'],
  },
  {
    name: 'everybody enters what an owner holds',
    file: QUEUE,
    find: 'return tenure.isHeldBy(owner)',
    replace: 'return owner.label.length >= 0',
    tests: ['test/processes/owners.test.ts', 'test/coordination/random.test.ts'],
  },
  {
    name: 'a time-out does not look whether it was granted meanwhile',
    file: QUEUE,
    find: 'if (waiter.line === this && waiter === this.waiters.first && this.lastChance(waiter)) this.advance()',
    replace: '',
    tests: ['test/coordination/races.test.ts', 'test/processes/timeout.test.ts'],
  },
  {
    name: 'a hold ends in the middle of a guard',
    file: HOLD,
    find: 'if (this.guards === 0) this.leave()\n    else this.reportOverrun',
    replace: 'if (this.guards >= 0) this.leave()\n    else this.reportOverrun',
    tests: ['test/processes/guards.test.ts'],
  },
  {
    name: 'a guard is entered after the end',
    file: HOLD,
    find: '  enterGuard(handle: object): void {\n    this.refuseUnlessHeld()\n',
    replace: '  enterGuard(handle: object): void {\n',
    tests: ['test/processes/guards.test.ts', 'test/processes/owners.test.ts'],
  },
  {
    name: 'the end of an owner leaves what it waits for',
    file: OWNER,
    find: '    for (const wait of [...this.waits]) wait.cancel(this.closedError(wait.request.file, reason))\n',
    replace: '',
    tests: ['test/processes/owners.test.ts', 'test/coordination/races.test.ts'],
  },
  {
    name: 'the end of an owner leaves what it holds',
    file: OWNER,
    find: "    for (const hold of [...this.holds]) hold.end('owner-closed', reason)\n",
    replace: '',
    tests: ['test/processes/owners.test.ts'],
  },
  {
    name: 'a lock is handed over without end while others wait',
    file: TENURE,
    find: '    this.handOvers++\n',
    replace: '',
    tests: ['test/coordination/queue.test.ts'],
  },
  {
    name: 'somebody’s data is overwritten by a record',
    file: 'src/record-page.ts',
    find: 'const recordable = length === 0 || (length >= MAGIC.length && begins(MAGIC_BYTES))',
    replace: 'const recordable = length >= 0',
    tests: ['test/on-disk.test.ts', 'test/surroundings/lock-file.test.ts'],
  },
  {
    name: 'a wait that failed leaves what it may have got',
    file: ROOM,
    find: '      await this.leave(session)\n      if (wasCanceled(error)) return false',
    replace: '      this.free(session)\n      if (wasCanceled(error)) return false',
    tests: SCRIPTED,
  },
  {
    name: 'a wait that was aborted as it was granted keeps its lock',
    file: ROOM,
    find: '        await this.leave(session)\n        return false\n      }\n      return await this.win',
    replace: '        this.free(session)\n        return false\n      }\n      return await this.win',
    tests: SCRIPTED,
  },
  {
    name: 'more sessions wait than may',
    file: ROOM,
    find: 'if (this.open < MOST_WAITING) this.connect()\n      else this.makeRoom()',
    replace: 'this.connect()',
    tests: SCRIPTED,
  },
  {
    name: 'a lock is asked for before this process has let go of it',
    file: POSTGRES,
    find: 'if (claim.before !== null && !this.mayFollow(claim.before)) await this.turnOf(claim)',
    replace: '',
    tests: ['test/postgres/order.test.ts'],
    needsServer: true,
  },
  {
    name: 'a hold is not told that its session is lost',
    file: POSTGRES,
    find: "if (claim.state === 'held') this.onLost(claim.lease, cause)",
    replace: '',
    tests: SCRIPTED,
  },
  {
    name: 'two names with one key are taken for one',
    file: POSTGRES,
    find: 'if (last?.isWanted() !== true || last.key.name === target) return key',
    replace: 'if (last === undefined || key.name === target) return key',
    tests: ['test/postgres/refusals.test.ts'],
    needsServer: true,
  },
  {
    name: 'a session is believed in although nothing was heard of it',
    file: SESSION,
    find: 'return this.cause === null && ageOf(this.proven, this.clock) < this.heartbeat.bound',
    replace: 'return this.cause === null',
    tests: SCRIPTED,
  },
  {
    name: 'a session that does not answer is not given up',
    file: SESSION,
    find: 'if (this.silence >= bound) {',
    replace: 'if (this.silence > bound * 1000) {',
    tests: SCRIPTED,
  },
  {
    name: 'an answer proves the moment at which it came',
    file: SESSION,
    find: 'this.prove(sent)',
    replace: 'this.prove(momentOf(this.clock))',
    tests: SCRIPTED,
  },
  {
    name: 'the connection is cut before those are told who keep something in it',
    file: SESSION,
    find: '    try {\n      this.close(cause)\n    } finally {\n      this.connection.destroy()\n    }',
    replace: '    this.connection.destroy()\n    this.close(cause)',
    tests: SCRIPTED,
  },
  {
    name: 'answers are taken with whatever number of rows',
    file: SESSION,
    find: 'if (rows.length === count) return rows',
    replace: 'if (rows.length >= 0) return rows',
    tests: SCRIPTED,
  },
  {
    name: 'a heartbeat is accepted that is slower than the server',
    file: 'src/postgres/settings.ts',
    find: 'if (!(every + answer + MARGIN < server)) {',
    replace: 'if (!(every < server)) {',
    tests: [...SCRIPTED, 'test/postgres/refusals.test.ts'],
  },
]
