// Each transition between the states of a lease. What differs for a distant file is in distant.cc.
#include "lease.h"

#include <string.h>

#include "distant.h"
#include "environment.h"
#include "registry.h"
#include "scribe.h"
#include "waiter.h"
#include "watchdog.h"

namespace holdfast {
namespace {

Lease* NewLease(Environment* environment, Mode mode, State state) {
  Lease* lease = New<Lease>();
  lease->environment = environment;
  lease->mode = mode;
  lease->state = state;
  return lease;
}

void UnlockAndDelete(Lease* lease) {
  if (lease->distant != nullptr) {
    ReleaseDistant(&lease->file, Ending());
  } else {
    lease->file.Unlock();
  }
  DeleteLease(lease);
}

// Links a lease and starts its thread, or deletes it.
Answer StartWait(Lease* lease) {
  bool counted;
  {
    MutexGuard guard(registry);
    counted = CountThread();
    if (counted) Link(lease);
  }
  if (counted) {
    const uint64_t id = lease->id;  // the lease is the thread's from the next line on
    Environment* environment = lease->environment;
    if (StartWaiter(lease)) {
      environment->Expect();
      return Answer::Of(Kind::kWaiting, id);
    }
    MutexGuard guard(registry);
    UncountThread();
    Unlink(lease);
  }
  DeleteLease(lease);
  return Answer::Of(Kind::kNoThread);
}

// Under the mutex. 0 when there is no such orphan.
uint64_t Adopt(Lease* orphan) {
  if (orphan == nullptr) return 0;
  orphan->state = State::kWaiting;
  orphan->limit = orphan->grace = 0;
  return orphan->id;
}

Result NamesNow(bool distant, const char* path, const Identity& identity) {
  return distant ? DistantNames(path, identity) : LockFile::PathNames(path, identity);
}

bool IsOverdue(const Lease* lease, uint64_t now) { return lease->limit != 0 && lease->limit <= now; }

// Under the mutex: it was granted, and must be claimed in time.
void BeginGrace(Lease* lease) {
  const uint64_t end = lease->grace == 0 ? 0 : Now() + lease->grace;
  if (end != 0 && (lease->limit == 0 || end < lease->limit)) lease->limit = end;
  WatchFor(lease->limit);
}

// Under the mutex. An overdue lease is the watchdog's as soon as nobody guards it.
void Unguard(Lease* lease) {
  if (--lease->guards == 0) WatchFor(lease->limit);
}

// A held lease that does not end by its limit while this is there.
class Guarded {
 public:
  Guarded(const Environment* environment, uint64_t id) {
    MutexGuard guard(registry);
    lease_ = FindHeld(environment, id);
    if (lease_ != nullptr) ++lease_->guards;
  }
  ~Guarded() {
    MutexGuard guard(registry);
    if (lease_ != nullptr) Unguard(lease_);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  Lease* lease() const { return lease_; }

 private:
  Lease* lease_;
};

bool BeginsWith(LockFile* file, const char* prefix, size_t size) {
  char bytes[64];
  size_t length = 0;
  return size <= sizeof(bytes) && file->Read(bytes, size, &length).done() && length == size &&
         memcmp(bytes, prefix, size) == 0;
}

}  // namespace

void DeleteLease(Lease* lease) {
  if (lease->distant != nullptr) Delete(lease->distant);
  Delete(lease);
}

void EndLater(Lease* lease, const Ending& ending) {
  lease->state = State::kEnding;
  lease->environment = nullptr;
  lease->at_end.Keep(ending);
}

Answer Hold(Environment* environment, Mode mode, LockFile* file, Distant* distant) {
  Lease* lease = NewLease(environment, mode, State::kHeld);
  lease->file = static_cast<LockFile&&>(*file);
  lease->distant = distant;
  MutexGuard guard(registry);
  Link(lease);
  return Answer::Of(Kind::kGranted, lease->id);
}

Answer Request(Environment* environment, const char* path, Mode mode, How how) {
  const bool waits = how == How::kTryThenWait || how == How::kWait;
  for (int tries = 0; tries < kMostReplacements; ++tries) {
    LockFile file;
    const Result opened = LockFile::Open(path, &file);
    if (opened.outcome == Outcome::kAbsent) return Answer::Of(Kind::kAbsent);
    if (!opened.done()) return Answer::Of(opened);
    if (!environment->Trusts(file.identity().volume)) return Answer::Of(Kind::kStrange);

    uint64_t adopted = 0;
    {
      MutexGuard guard(registry);
      if (how != How::kLastTry) {
        const Lease* known = FindWanted(environment, file.identity());
        if (known != nullptr) return Answer::Of(Kind::kKnown, known->id);
      }
      if (waits && (mode == Mode::kExclusive || how == How::kWait)) {
        adopted = Adopt(FindOrphan(environment, file.identity(), mode));
      }
    }

    if (adopted == 0 && how != How::kWait) {
      const Result locked = file.TryLock(mode);
      if (locked.done()) {
        const Result named = LockFile::PathNames(path, file.identity());
        if (named.done()) return Hold(environment, mode, &file, nullptr);
        file.Unlock();
        if (named.outcome == Outcome::kFailed) return Answer::Of(named);
        continue;
      }
      if (locked.outcome == Outcome::kFailed) return Answer::Of(locked);
      if (!waits) return Answer::Of(Kind::kBusy);
      // A shared request tries first: an orphan that waits behind a writer must not keep it from joining readers.
      MutexGuard guard(registry);
      adopted = Adopt(FindOrphan(environment, file.identity(), mode));
    }

    if (adopted != 0) {
      environment->Expect();
      return Answer::Of(Kind::kWaiting, adopted);
    }
    Lease* lease = NewLease(environment, mode, State::kWaiting);
    lease->file = static_cast<LockFile&&>(file);
    return StartWait(lease);
  }
  return Answer::Of(Kind::kAbsent);
}

Answer WaitDistant(Environment* environment, Mode mode, Distant* distant) {
  uint64_t adopted;
  {
    MutexGuard guard(registry);
    const bool look = distant->how == How::kLook;
    adopted = Adopt(FindDistant(environment, distant->path.c_str(), mode, look, State::kOrphaned));
  }
  if (adopted != 0) {
    Delete(distant);
    environment->Expect();
    return Answer::Of(Kind::kWaiting, adopted);
  }
  Lease* lease = NewLease(environment, mode, State::kWaiting);
  lease->distant = distant;
  return StartWait(lease);
}

Result Looked(Environment* environment, uint64_t id, char** destination) {
  Lease* lease;
  {
    MutexGuard guard(registry);
    lease = Find(environment, id);
    if (lease == nullptr || lease->state != State::kLooked) return Result::Of(Outcome::kAbsent);
    Unlink(lease);
  }
  environment->Settled();
  *destination = lease->distant->link;
  lease->distant->link = nullptr;
  const Result failure = lease->failure;
  DeleteLease(lease);
  return *destination == nullptr ? failure : Result();
}

Answer Claim(Environment* environment, uint64_t id, const char* path) {
  Lease* lease;
  State state;
  bool other = false;
  {
    MutexGuard guard(registry);
    lease = Find(environment, id);
    if (lease == nullptr || lease->state == State::kHeld) return Answer::Of(Kind::kReplaced);
    state = lease->state;
    if (state == State::kWaiting || state == State::kOrphaned) return Answer::Of(Kind::kWaiting, id);
    if (state == State::kGranted) {
      lease->state = State::kHeld;
      lease->limit = 0;
    }
    if (state == State::kAlias) {
      const Lease* same = Find(environment, lease->distant->other);
      other = same != nullptr && IsWanted(same);
    }
    if (state != State::kGranted) Unlink(lease);
  }
  environment->Settled();
  if (state != State::kGranted) {
    Answer answer = Answer::Of(lease->failure);
    if (state == State::kAlias || state == State::kLapsed) answer = Answer::Of(Kind::kReplaced);
    if (other) answer = Answer::Of(Kind::kKnown, lease->distant->other);
    UnlockAndDelete(lease);
    return answer;
  }
  const Result named = NamesNow(lease->distant != nullptr, path, lease->file.identity());  // without limit
  if (named.done()) return Answer::Of(Kind::kGranted, id);
  Release(environment, id, Ending());
  return named.outcome == Outcome::kReplaced ? Answer::Of(Kind::kReplaced) : Answer::Of(named);
}

void Drop(Environment* environment, uint64_t id) {
  Lease* ended = nullptr;
  {
    MutexGuard guard(registry);
    Lease* lease = Find(environment, id);
    if (lease == nullptr || lease->state == State::kHeld || lease->state == State::kOrphaned) return;
    if (lease->state == State::kWaiting) {
      lease->state = State::kOrphaned;
    } else {
      Unlink(lease);
      ended = lease;
    }
  }
  environment->Settled();
  if (ended != nullptr) UnlockAndDelete(ended);
}

Result Names(Environment* environment, uint64_t id, const char* path) {
  Identity identity;
  bool distant;
  {
    MutexGuard guard(registry);
    const Lease* lease = FindHeld(environment, id);  // which the watchdog may end as soon as the mutex is left
    if (lease == nullptr) return Result::Of(Outcome::kReplaced);
    identity = lease->file.identity();
    distant = lease->distant != nullptr;
  }
  return NamesNow(distant, path, identity);
}

Result Limit(Environment* environment, uint64_t id, uint64_t nanoseconds, const Ending& ending) {
  const bool watched = nanoseconds == 0 || StartWatchdog();
  MutexGuard guard(registry);
  Lease* lease = FindHeld(environment, id);
  if (lease == nullptr || IsOverdue(lease, Now())) return Result::Of(Outcome::kAbsent);
  lease->at_limit.Keep(ending);
  lease->limit = nanoseconds == 0 ? 0 : Now() + nanoseconds;
  WatchFor(lease->limit);
  return watched ? Result() : Result::Of(Outcome::kBusy);
}

void LimitWait(Environment* environment, uint64_t id, uint64_t grace, uint64_t rest) {
  if (!StartWatchdog()) return;
  MutexGuard guard(registry);
  Lease* lease = Find(environment, id);
  if (lease == nullptr) return;
  lease->grace = grace;
  if (lease->state == State::kWaiting) lease->limit = rest == 0 ? 0 : Now() + rest;
  if (lease->state == State::kGranted) BeginGrace(lease);
}

bool EnterGuard(Environment* environment, uint64_t id) {
  MutexGuard guard(registry);
  Lease* lease = FindHeld(environment, id);
  if (lease == nullptr || IsOverdue(lease, Now())) return false;
  ++lease->guards;
  return true;
}

void ExitGuard(Environment* environment, uint64_t id) {
  MutexGuard guard(registry);
  Lease* lease = FindHeld(environment, id);
  if (lease != nullptr) Unguard(lease);
}

bool EnterChange(uint64_t id) {
  MutexGuard guard(registry);
  Lease* lease = FindById(id);
  if (lease == nullptr || lease->state != State::kHeld || IsOverdue(lease, Now())) return false;
  ++lease->guards;
  ++lease->changes;
  return true;
}

bool ExitChange(uint64_t id, bool ends, const Ending& ending) {
  Lease* lease;
  {
    MutexGuard guard(registry);
    lease = FindById(id);
    --lease->changes;
    if (lease->state == State::kHeld) {
      if (!ends) {
        Unguard(lease);
        return false;
      }
      EndLater(lease, ending);
    }
    if (lease->changes > 0 || !lease->file.valid()) return true;  // lent: the work that has the file ends it
    Unlink(lease);
  }
  Stamp(&lease->file, lease->at_end.ending());
  lease->file.Unlock();
  DeleteLease(lease);
  return true;
}

Result Read(Environment* environment, uint64_t id, char* bytes, size_t size, size_t* length) {
  const Guarded guarded(environment, id);
  Lease* lease = guarded.lease();
  if (lease == nullptr) return Result::Of(Outcome::kAbsent);
  if (lease->distant != nullptr) return ReadDistant(environment, id, bytes, size, length);
  return lease->file.Read(bytes, size, length);
}

Result Write(Environment* environment, uint64_t id, const char* bytes, size_t size) {
  const Guarded guarded(environment, id);
  Lease* lease = guarded.lease();
  if (lease == nullptr) return Result::Of(Outcome::kAbsent);
  if (lease->distant != nullptr) return WriteDistant(environment, id, bytes, size);
  if (!lease->file.writable()) return Result::Of(Outcome::kAbsent);
  return lease->file.Write(bytes, size, 0);
}

void Release(Environment* environment, uint64_t id, const Ending& ending) {
  Lease* lease;
  {
    MutexGuard guard(registry);
    lease = FindHeld(environment, id);
    if (lease == nullptr) return;
    if (lease->changes > 0 || !lease->file.valid()) return EndLater(lease, ending);
    Unlink(lease);
  }
  if (lease->distant != nullptr) {
    ReleaseDistant(&lease->file, ending);
  } else {
    Stamp(&lease->file, ending);
    lease->file.Unlock();
  }
  DeleteLease(lease);
}

void ReleaseAll(Environment* environment) {
  Lease* ended;
  Change* abandoned;
  {
    MutexGuard guard(registry);
    ended = UnlinkAll(environment);
    abandoned = AbandonAll(environment);
  }
  while (abandoned != nullptr) {
    Change* next = abandoned->next;
    Delete(abandoned);
    abandoned = next;
  }
  while (ended != nullptr) {
    Lease* next = ended->next_with_id;
    if (ended->distant != nullptr) LeaveDistant(&ended->file, Ending());  // an environment that ends waits for nothing
    UnlockAndDelete(ended);
    ended = next;
  }
}

void Settle(Lease* lease, const Result& result) {
  {
    MutexGuard guard(registry);
    UncountThread();
    if (lease->state == State::kWaiting) {
      const State ended = lease->distant == nullptr ? State::kFailed : lease->distant->ended;
      lease->state = result.done() ? State::kGranted : ended;
      lease->failure = result;
      if (result.done()) BeginGrace(lease);
      if (lease->environment->Notify(lease->id)) return;
    }
    Unlink(lease);
  }
  if (result.done()) lease->file.Unlock();
  DeleteLease(lease);
}

void Stamp(LockFile* file, const Ending& ending) {
  if (ending.size <= ending.prefix || !BeginsWith(file, ending.bytes, ending.prefix)) return;
  file->Write(ending.bytes + ending.prefix, ending.size - ending.prefix, ending.prefix);
}

}  // namespace holdfast
