// Leases: every claim this process has, or waits for, on a lock file; and the registry that holds them all.
//
// A lease is one open descriptor and one state. These are the rules, and every transition below keeps them:
//
//  1. One mutex, the registry's, protects every lease and every table. No file is touched and no JavaScript runs
//     while it is held; the one outside call under it is the notice to an event loop, because only under it is it
//     certain that the environment behind that loop still exists.
//  2. Every change of state is one transition under the mutex. Whoever takes a lease out of the tables is the only
//     one to stamp its record, unlock and close it, and does so after the mutex, in that order.
//  3. A descriptor has one user at a time: the waiter thread while the state is kWaiting or kOrphaned; from kGranted on
//     the thread of the environment, which guards the lease while it uses the descriptor, or the watchdog, which takes
//     the descriptor of a lease that nobody guards. Nobody closes one that another thread is blocked on.
//  4. An environment has at most one lease that is kWaiting or kOrphaned for a file and mode (for a distant file: a path
//     and mode): a new wait adopts the orphan and keeps its place in the kernel's queue.
//  5. A lease that is granted while nobody wants it is unlocked and closed by the waiter thread itself. The event
//     loop takes no part: it may be blocked, or gone.
//  6. A granted lease belongs to nobody until it is claimed. A wait that was dropped is never claimed, so a request
//     that was rejected never holds the lock later.
//  7. An environment that ends frees what it holds and was granted, and orphans what it waits for. Its records are
//     not stamped: for the next holder such an end is a death.
//  8. An entry of a file exists only while a descriptor is open: the number of a deleted file comes back at once.
//  9. Nothing that touches the file of a distant lease (its filesystem may never answer) runs on the environment's
//     thread: its waiter thread opens it, and everything later is done aside (aside.h). While such work has the file,
//     the lease is without it, and other work is refused; if the lease has ended meanwhile, the work ends it (kEnding).
// 10. The kernel's queue decides who is next. A request that comes after this process let others go first (kWait)
//     makes no fresh try; nor does an exclusive one that finds an orphan already in the queue.
// 11. A lease may have a limit in time: a held one because its hold may last only so long, a granted one because those
//     who wait for it do. Past its limit a held one can only end, and a granted one be claimed in the moment before
//     the watchdog (watchdog.cc) comes, which ends it, whatever the environment's thread is busy with: at once, or when
//     the last guard is left. A held lease is out of the tables then, like one that was released, and every later call
//     finds nothing. A granted one stays, without its descriptor, as kLapsed, until the environment has been told.
// 12. A guard keeps a lease from ending by its limit. None is entered past the limit. What the environment ends itself
//     (Release) it ends guarded or not: JavaScript counts its own guards.
// 13. A change to a data file (change.h) guards its lease as well, from a thread of its own. Whatever ends the lease
//     meanwhile, even the end of its environment, only marks it (kEnding): the change ends it.
#ifndef HOLDFAST_NATIVE_LEASE_H_
#define HOLDFAST_NATIVE_LEASE_H_

#include <string.h>

#include "lock.h"

namespace holdfast {

class Environment;
struct Distant;

// The place of the record in a lock file: src/record-page.ts knows what is in it.
constexpr size_t kRecordSize = 512;

enum class State : uint8_t {
  kWaiting,   // a thread is blocked in the kernel, and a request wants the lock
  kOrphaned,  // a thread is blocked in the kernel, and nobody wants the lock
  kGranted,   // the kernel granted it; the environment has been told and has not claimed it yet
  kFailed,    // the kernel refused it; likewise
  kAlias,     // its path named the file of another lease of this environment; likewise
  kLooked,    // of a look for a link, which locks nothing: it has been found out; likewise
  kEnding,    // ended while overdue work had the file, or a change was being made: that ends it
  kHeld,      // claimed
  kLapsed,    // was granted and not claimed in time: it holds nothing; the environment has been told, and will claim
};

// What is written when a hold ends: `bytes` from `prefix` on, only while the file begins with what is before that,
// because others may have put data of their own there.
struct Ending {
  const char* bytes = nullptr;
  size_t size = 0;
  size_t prefix = 0;
};

// An ending that is kept for later. One that is too long is none.
class KeptEnding {
 public:
  void Keep(const Ending& ending) {
    size_ = ending.size <= sizeof(bytes_) ? ending.size : 0;
    prefix_ = ending.prefix;
    if (size_ > 0) memcpy(bytes_, ending.bytes, size_);
  }
  Ending ending() const { return {bytes_, size_, prefix_}; }

 private:
  size_t size_ = 0;
  size_t prefix_ = 0;
  char bytes_[96];
};

struct Lease {
  uint64_t id = 0;
  Environment* environment = nullptr;
  Mode mode = Mode::kExclusive;
  State state = State::kHeld;
  LockFile file;
  Result failure;
  Distant* distant = nullptr;  // null for a file that is dealt with here
  int guards = 0;
  int changes = 0;     // the guards of changes, which count as guards too
  uint64_t limit = 0;  // when it ends at the latest, by Now(); 0: no limit
  uint64_t grace = 0;  // of a wait: nanoseconds from its grant to its limit; 0: no limit
  KeptEnding at_limit;
  KeptEnding at_end;  // of a kEnding
  Lease* next_with_id = nullptr;
  Lease* next_with_file = nullptr;
};

enum class How : uint8_t {
  kTry,          // one try; other leases of this environment on the file come first
  kTryThenWait,  // one try, then a wait
  kWait,         // a wait at once
  kLastTry,      // one try, whatever else this environment waits for
  kLook,         // no lock at all: RequestLook
};

enum class Kind : uint8_t {
  kGranted,   // the lease is held
  kWaiting,   // the lease waits; the environment will be told
  kKnown,     // this environment has that lease on the same file, perhaps under another name
  kBusy,      // another descriptor holds the lock
  kNoThread,  // busy, and there is no thread to wait on
  kAbsent,    // there is no lock file at the path
  kReplaced,  // the path does not name the locked file any more; the lease has ended
  kFailed,    // see `failure`
  kStrange,   // the file lies on a volume that the environment does not trust yet; nothing was done
};

struct Answer {
  Kind kind = Kind::kFailed;
  uint64_t lease = 0;
  Result failure;

  static Answer Of(Kind kind, uint64_t lease = 0) { return {kind, lease, {}}; }
  static Answer Of(const Result& failure) { return {Kind::kFailed, 0, failure}; }
};

// All functions below are called on the thread of `environment`. An id of another environment, or of a lease that
// has ended, names nothing: ending twice is harmless.

// For a file whose filesystem answers: open and try are done here.
Answer Request(Environment* environment, const char* path, Mode mode, How how);

// For a distant one: kTry waits for the answer, but only so long; the others leave all of it to the waiter thread, which
// makes the lock file of `target` where there is none.
Answer RequestDistant(Environment* environment, const char* path, const char* target, Mode mode, How how);

// A look whether a distant `path` is a link, on a thread like a wait: kWaiting or kNoThread. It locks nothing.
Answer RequestLook(Environment* environment, const char* path);

// What a look that has settled has found, as LockFile::FollowLink; the text is of malloc() and the caller's. Ends the lease.
Result Looked(Environment* environment, uint64_t id, char** destination);

// Takes a granted lease, if `path` still names the locked file. kWaiting when the kernel has not granted it yet; kKnown
// when the file turned out to be that of another lease.
Answer Claim(Environment* environment, uint64_t id, const char* path);

// No request wants this lease any more: an ungranted wait becomes an orphan, a granted one is freed.
void Drop(Environment* environment, uint64_t id);

// Whether `path` names the file of this lease.
Result Names(Environment* environment, uint64_t id, const char* path);

// How long a held lease may last from now on, 0 is without limit; and the ending that the watchdog writes then. kAbsent
// when it has ended or its limit has passed, kBusy when there is no watchdog to end it.
Result Limit(Environment* environment, uint64_t id, uint64_t nanoseconds, const Ending& ending);

// How long a wait, once granted, may stay unclaimed: `grace` after its grant, and no longer than `rest` from now.
void LimitWait(Environment* environment, uint64_t id, uint64_t grace, uint64_t rest);

// A guard keeps a held lease from ending by its limit. False when it has ended, or the limit has passed.
bool EnterGuard(Environment* environment, uint64_t id);
void ExitGuard(Environment* environment, uint64_t id);

// The same for a change, on whatever thread. ExitChange also ends the lease if it `ends`, or was ended meanwhile; true: it
// has ended.
bool EnterChange(uint64_t id);
bool ExitChange(uint64_t id, bool ends, const Ending& ending);

// The start of the file of a held lease.
Result Read(Environment* environment, uint64_t id, char* bytes, size_t size, size_t* length);

// kAbsent where the file must carry no record (LockFile::writable).
Result Write(Environment* environment, uint64_t id, const char* bytes, size_t size);

// Takes a held lease out of the tables, writes its ending, unlocks and closes.
void Release(Environment* environment, uint64_t id, const Ending& ending);

void ReleaseAll(Environment* environment);

void Stamp(LockFile* file, const Ending& ending);

// The waiter thread's report (waiter.cc, distant.cc). The lease is not the thread's any more.
void Settle(Lease* lease, const Result& result);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_LEASE_H_
