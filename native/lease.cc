// The registry: the tables of all leases of this process, and each transition between their states.
#include "lease.h"

#include <stdlib.h>

#include <new>

#include "environment.h"
#include "thread.h"
#include "waiter.h"

namespace holdfast {
namespace {

constexpr size_t kBuckets = 1024;
constexpr int kMostThreads = 512;

// A path that is replaced between open and lock is opened again; this often before it counts as absent.
constexpr int kMostReplacements = 64;

// Never destroyed: waiter threads may outlive exit().
Mutex mutex;
Lease* leases_by_id[kBuckets];
Lease* leases_by_file[kBuckets];
uint64_t last_id = 0;
int threads = 0;

Lease** BucketOfId(uint64_t id) { return &leases_by_id[id % kBuckets]; }

Lease** BucketOfFile(const Identity& identity) {
  const uint64_t mixed = (identity.low ^ (identity.high << 1) ^ (identity.volume << 7)) * 0x9E3779B97F4A7C15u;
  return &leases_by_file[(mixed >> 32) % kBuckets];
}

void Link(Lease* lease) {
  lease->id = ++last_id;
  Lease** by_id = BucketOfId(lease->id);
  lease->next_with_id = *by_id;
  *by_id = lease;
  Lease** by_file = BucketOfFile(lease->file.identity());
  lease->next_with_file = *by_file;
  *by_file = lease;
}

void Unlink(Lease* lease) {
  Lease** link = BucketOfId(lease->id);
  while (*link != lease) link = &(*link)->next_with_id;
  *link = lease->next_with_id;
  link = BucketOfFile(lease->file.identity());
  while (*link != lease) link = &(*link)->next_with_file;
  *link = lease->next_with_file;
}

Lease* Find(const Environment* environment, uint64_t id) {
  Lease* lease = *BucketOfId(id);
  while (lease != nullptr && lease->id != id) lease = lease->next_with_id;
  return lease != nullptr && lease->environment == environment ? lease : nullptr;
}

Lease* FindHeld(const Environment* environment, uint64_t id) {
  Lease* lease = Find(environment, id);
  return lease != nullptr && lease->state == State::kHeld ? lease : nullptr;
}

Lease* FindWanted(const Environment* environment, const Identity& identity) {
  Lease* lease = *BucketOfFile(identity);
  while (lease != nullptr && !(lease->environment == environment && lease->state != State::kOrphaned &&
                               lease->file.identity() == identity)) {
    lease = lease->next_with_file;
  }
  return lease;
}

uint64_t AdoptOrphan(const Environment* environment, const Identity& identity, Mode mode) {
  for (Lease* lease = *BucketOfFile(identity); lease != nullptr; lease = lease->next_with_file) {
    if (lease->state == State::kOrphaned && lease->environment == environment && lease->mode == mode &&
        lease->file.identity() == identity) {
      lease->state = State::kWaiting;
      return lease->id;
    }
  }
  return 0;
}

Lease* NewLease(Environment* environment, Mode mode, State state, LockFile* file) {
  void* memory = malloc(sizeof(Lease));
  if (memory == nullptr) return nullptr;
  Lease* lease = new (memory) Lease();
  lease->environment = environment;
  lease->mode = mode;
  lease->state = state;
  lease->file = static_cast<LockFile&&>(*file);
  return lease;
}

void Delete(Lease* lease) {
  lease->~Lease();
  free(lease);
}

void UnlockAndDelete(Lease* lease) {
  lease->file.Unlock();
  Delete(lease);
}

Answer OutOfMemory() { return Answer::Of({Outcome::kFailed, kOutOfMemory, "malloc"}); }

Answer Hold(Environment* environment, Mode mode, LockFile* file) {
  Lease* lease = NewLease(environment, mode, State::kHeld, file);
  if (lease == nullptr) return OutOfMemory();
  MutexGuard guard(mutex);
  Link(lease);
  return Answer::Of(Kind::kGranted, lease->id);
}

Answer StartWait(Environment* environment, Mode mode, LockFile* file) {
  Lease* lease = NewLease(environment, mode, State::kWaiting, file);
  if (lease == nullptr) return OutOfMemory();
  bool started = false;
  {
    MutexGuard guard(mutex);
    if (threads < kMostThreads) {
      ++threads;
      Link(lease);
      started = true;
    }
  }
  if (started) {
    const uint64_t id = lease->id;  // the lease is the thread's from the next line on
    if (StartWaiter(lease)) {
      environment->Expect();
      return Answer::Of(Kind::kWaiting, id);
    }
    MutexGuard guard(mutex);
    --threads;
    Unlink(lease);
  }
  Delete(lease);
  return Answer::Of(Kind::kNoThread);
}

}  // namespace

Answer Request(Environment* environment, const char* path, Mode mode, How how) {
  const bool waits = how == How::kTryThenWait || how == How::kWait;
  for (int tries = 0; tries < kMostReplacements; ++tries) {
    LockFile file;
    const Result opened = LockFile::Open(path, &file);
    if (opened.outcome == Outcome::kAbsent) return Answer::Of(Kind::kAbsent);
    if (!opened.done()) return Answer::Of(opened);

    uint64_t adopted = 0;
    {
      MutexGuard guard(mutex);
      if (how != How::kLastTry) {
        const Lease* known = FindWanted(environment, file.identity());
        if (known != nullptr) return Answer::Of(Kind::kKnown, known->id);
      }
      if (waits && (mode == Mode::kExclusive || how == How::kWait)) {
        adopted = AdoptOrphan(environment, file.identity(), mode);
      }
    }

    if (adopted == 0 && how != How::kWait) {
      const Result locked = file.TryLock(mode);
      if (locked.done()) {
        const Result named = LockFile::PathNames(path, file.identity());
        if (named.done()) return Hold(environment, mode, &file);
        file.Unlock();
        if (named.outcome == Outcome::kFailed) return Answer::Of(named);
        continue;
      }
      if (locked.outcome == Outcome::kFailed) return Answer::Of(locked);
      if (!waits) return Answer::Of(Kind::kBusy);
      // A shared request tries first: an orphan that waits behind a writer must not keep it from joining readers.
      MutexGuard guard(mutex);
      adopted = AdoptOrphan(environment, file.identity(), mode);
    }

    if (adopted != 0) {
      environment->Expect();
      return Answer::Of(Kind::kWaiting, adopted);
    }
    return StartWait(environment, mode, &file);
  }
  return Answer::Of(Kind::kAbsent);
}

Answer Claim(Environment* environment, uint64_t id, const char* path) {
  Lease* lease;
  State state;
  {
    MutexGuard guard(mutex);
    lease = Find(environment, id);
    if (lease == nullptr || lease->state == State::kHeld) return Answer::Of(Kind::kReplaced);
    state = lease->state;
    if (state == State::kWaiting || state == State::kOrphaned) return Answer::Of(Kind::kWaiting, id);
    if (state == State::kFailed) Unlink(lease);
    if (state == State::kGranted) lease->state = State::kHeld;
  }
  environment->Settled();
  if (state == State::kFailed) {
    const Answer answer = Answer::Of(lease->failure);
    Delete(lease);
    return answer;
  }
  const Result named = LockFile::PathNames(path, lease->file.identity());
  if (named.done()) return Answer::Of(Kind::kGranted, id);
  LockFile file = Release(environment, id);
  file.Unlock();
  return named.outcome == Outcome::kReplaced ? Answer::Of(Kind::kReplaced) : Answer::Of(named);
}

void Drop(Environment* environment, uint64_t id) {
  Lease* ended = nullptr;
  {
    MutexGuard guard(mutex);
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
  {
    MutexGuard guard(mutex);
    const Lease* lease = FindHeld(environment, id);
    if (lease == nullptr) return Result::Of(Outcome::kReplaced);
    identity = lease->file.identity();
  }
  return LockFile::PathNames(path, identity);
}

LockFile* FileOf(Environment* environment, uint64_t id) {
  MutexGuard guard(mutex);
  Lease* lease = FindHeld(environment, id);
  return lease == nullptr ? nullptr : &lease->file;
}

LockFile Release(Environment* environment, uint64_t id) {
  LockFile file;
  Lease* lease;
  {
    MutexGuard guard(mutex);
    lease = FindHeld(environment, id);
    if (lease == nullptr) return file;
    Unlink(lease);
  }
  file = static_cast<LockFile&&>(lease->file);
  Delete(lease);
  return file;
}

void ReleaseAll(Environment* environment) {
  Lease* ended = nullptr;
  {
    MutexGuard guard(mutex);
    for (Lease*& bucket : leases_by_id) {
      for (Lease *lease = bucket, *next; lease != nullptr; lease = next) {
        next = lease->next_with_id;
        if (lease->environment != environment) continue;
        if (lease->state == State::kWaiting || lease->state == State::kOrphaned) {
          lease->state = State::kOrphaned;
          lease->environment = nullptr;
        } else {
          Unlink(lease);
          lease->next_with_id = ended;
          ended = lease;
        }
      }
    }
  }
  while (ended != nullptr) {
    Lease* next = ended->next_with_id;
    UnlockAndDelete(ended);
    ended = next;
  }
}

void Settle(Lease* lease, const Result& result) {
  {
    MutexGuard guard(mutex);
    --threads;
    if (lease->state == State::kWaiting) {
      lease->state = result.done() ? State::kGranted : State::kFailed;
      lease->failure = result;
      if (lease->environment->Notify(lease->id)) return;
    }
    Unlink(lease);
  }
  if (result.done()) lease->file.Unlock();
  Delete(lease);
}

}  // namespace holdfast
