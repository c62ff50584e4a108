#include "distant.h"

#include "environment.h"
#include "registry.h"

namespace holdfast {
namespace {

constexpr size_t kLongestLink = 4096;

Result NoAnswer(int error, const char* call) { return {Outcome::kFailed, error, call}; }

// One try, unless the environment has a lease on the file already. What it got and nobody took is freed again.
class TryWork : public Work {
 public:
  TryWork(const Environment* environment, const char* path, const char* target, Mode mode)
      : Work(this), environment_(environment), path_(path), target_(target), mode_(mode) {}
  ~TryWork() {
    if (file.valid()) file.Unlock();
  }

  void Run() {
    for (int tries = 0; tries < kMostReplacements; ++tries) {
      LockFile opened;
      result = OpenOrCreate(path_.c_str(), target_.c_str(), &opened);
      if (!result.done()) return;
      if (environment_ != nullptr) {
        MutexGuard guard(registry);
        const Lease* lease = FindWanted(environment_, opened.identity());
        if (lease != nullptr) known = lease->id;
      }
      if (known != 0) return;
      result = opened.TryLock(mode_);
      if (!result.done()) return;
      result = LockFile::PathNames(path_.c_str(), opened.identity());
      if (result.done()) {
        file = static_cast<LockFile&&>(opened);
        return;
      }
      opened.Unlock();
      if (result.outcome == Outcome::kFailed) return;
    }
  }

  LockFile file;
  Result result;
  uint64_t known = 0;

 private:
  const Environment* const environment_;  // to compare: it may be gone
  const OwnText path_;
  const OwnText target_;
  const Mode mode_;
};

class NamesWork : public Work {
 public:
  NamesWork(const char* path, const Identity& identity) : Work(this), path_(path), identity_(identity) {}
  void Run() { result = LockFile::PathNames(path_.c_str(), identity_); }

  Result result;

 private:
  const OwnText path_;
  const Identity identity_;
};

// Work that has the file of a held lease, and brings it back, or ends the lease if that was released meanwhile.
class Loan {
 public:
  Loan(uint64_t lease, LockFile* lent) : file(static_cast<LockFile&&>(*lent)), lease_(lease) {}
  ~Loan() {
    Lease* ended = nullptr;
    {
      MutexGuard guard(registry);
      Lease* lease = FindById(lease_);
      if (lease != nullptr && (lease->state == State::kHeld || lease->changes > 0)) {
        lease->file = static_cast<LockFile&&>(file);
        return;
      }
      ended = lease;
      if (ended != nullptr) Unlink(ended);
    }
    if (ended != nullptr) Stamp(&file, ended->at_end.ending());
    file.Unlock();
    if (ended != nullptr) DeleteLease(ended);
  }

  LockFile file;

 private:
  const uint64_t lease_;
};

class ReadWork : public Work {
 public:
  ReadWork(uint64_t lease, LockFile* lent) : Work(this), loan_(lease, lent) {}
  void Run() { result = loan_.file.Read(bytes, sizeof(bytes), &length); }

  Result result;
  char bytes[kRecordSize];
  size_t length = 0;

 private:
  Loan loan_;
};

class WriteWork : public Work {
 public:
  WriteWork(uint64_t lease, LockFile* lent, const char* bytes, size_t size)
      : Work(this), loan_(lease, lent), size_(size < kRecordSize ? size : kRecordSize) {
    memcpy(bytes_, bytes, size_);
  }
  void Run() {
    result = loan_.file.writable() ? loan_.file.Write(bytes_, size_, 0) : Result::Of(Outcome::kAbsent);
  }

  Result result;

 private:
  Loan loan_;
  const size_t size_;
  char bytes_[kRecordSize];
};

class EndWork : public Work {
 public:
  EndWork(LockFile* file, const Ending& ending) : Work(this), file_(static_cast<LockFile&&>(*file)) {
    ending_.Keep(ending);
  }
  void Run() {
    Stamp(&file_, ending_.ending());
    file_.Unlock();
    file_.Close();
  }

 private:
  LockFile file_;
  KeptEnding ending_;
};

// Takes the file of a held lease, which is without it until a Loan brings it back.
Result Lend(Environment* environment, uint64_t id, LockFile* file, const char* call) {
  MutexGuard guard(registry);
  Lease* lease = FindHeld(environment, id);
  if (lease == nullptr) return Result::Of(Outcome::kReplaced);
  if (!lease->file.valid()) return NoAnswer(kTimedOut, call);  // lent already, to work that is overdue
  *file = static_cast<LockFile&&>(lease->file);
  return {};
}

// Links a lease by the file that its thread has opened. False when the environment has a lease on that file already,
// under another name; `lease` is kAlias then, unless nobody wants it any more.
bool Arrive(Lease* lease, LockFile* file) {
  MutexGuard guard(registry);
  const Lease* other = lease->state == State::kWaiting ? FindWanted(lease->environment, file->identity()) : nullptr;
  lease->file = static_cast<LockFile&&>(*file);
  if (other == nullptr) {
    LinkFile(lease);
    return true;
  }
  lease->distant->other = other->id;
  lease->distant->ended = State::kAlias;
  return false;
}

}  // namespace

Result OpenOrCreate(const char* path, const char* target, LockFile* file) {
  Result result;
  for (int tries = 0; tries < kMostReplacements; ++tries) {
    result = LockFile::Open(path, file);
    if (result.outcome != Outcome::kAbsent) return result;
    result = LockFile::Create(path, target);
    if (result.outcome == Outcome::kFailed) return result;
  }
  return {Outcome::kFailed, kTryAgain, "open"};
}

void LookForLink(Lease* lease) {
  char destination[kLongestLink];
  const Result found = LockFile::FollowLink(lease->distant->path.c_str(), destination, sizeof(destination));
  if (found.done()) lease->distant->link = CopyOf(destination);
  lease->distant->ended = State::kLooked;
  Settle(lease, found.done() ? Result::Of(Outcome::kAbsent) : found);  // no lock, whatever was found
}

void WaitForDistant(Lease* lease) {
  const Distant& distant = *lease->distant;
  LockFile file;
  Result result = OpenOrCreate(distant.path.c_str(), distant.target.c_str(), &file);
  if (!result.done()) return Settle(lease, result);
  if (!Arrive(lease, &file)) return Settle(lease, Result::Of(Outcome::kAbsent));
  result = distant.how == How::kWait ? Result::Of(Outcome::kBusy) : lease->file.TryLock(lease->mode);
  if (result.outcome == Outcome::kBusy) result = lease->file.WaitLock(lease->mode);
  Settle(lease, result);
}

Answer RequestLook(Environment* environment, const char* path) {
  return WaitDistant(environment, Mode::kShared, New<Distant>(path, "", How::kLook));
}

Answer RequestDistant(Environment* environment, const char* path, const char* target, Mode mode, How how) {
  const bool waits = how == How::kTryThenWait || how == How::kWait;
  if (waits) {
    const Answer answer = WaitDistant(environment, mode, New<Distant>(path, target, how));
    if (answer.kind != Kind::kNoThread) return answer;
  }
  if (how == How::kLastTry) {
    MutexGuard guard(registry);
    // A thread is at it, and nothing that is done here would be sooner.
    if (FindDistant(environment, path, mode, false, State::kWaiting) != nullptr) return Answer::Of(Kind::kBusy);
  }

  TryWork* work = New<TryWork>(how == How::kLastTry ? nullptr : environment, path, target, mode);
  const int error = Await(work);
  if (error != 0) return waits ? Answer::Of(Kind::kNoThread) : Answer::Of(NoAnswer(error, "open"));
  const Result result = work->result;
  const uint64_t known = work->known;
  LockFile file = static_cast<LockFile&&>(work->file);
  Delete(work);
  if (known != 0) return Answer::Of(Kind::kKnown, known);
  if (file.valid()) return Hold(environment, mode, &file, New<Distant>(path, target, how));
  if (result.outcome == Outcome::kFailed) return Answer::Of(result);
  if (waits) return Answer::Of(Kind::kNoThread);
  return Answer::Of(result.outcome == Outcome::kBusy ? Kind::kBusy : Kind::kAbsent);
}

Result DistantNames(const char* path, const Identity& identity) {
  NamesWork* work = New<NamesWork>(path, identity);
  const int error = Await(work);
  if (error != 0) return NoAnswer(error, "lstat");
  const Result result = work->result;
  Delete(work);
  return result;
}

Result ReadDistant(Environment* environment, uint64_t id, char* bytes, size_t size, size_t* length) {
  LockFile file;
  const Result lent = Lend(environment, id, &file, "read");
  if (!lent.done()) return lent;
  ReadWork* work = New<ReadWork>(id, &file);
  const int error = Await(work);
  if (error != 0) return NoAnswer(error, "read");
  const Result result = work->result;
  *length = work->length < size ? work->length : size;
  memcpy(bytes, work->bytes, *length);
  Delete(work);
  return result;
}

Result WriteDistant(Environment* environment, uint64_t id, const char* bytes, size_t size) {
  LockFile file;
  const Result lent = Lend(environment, id, &file, "write");
  if (!lent.done()) return lent;
  WriteWork* work = New<WriteWork>(id, &file, bytes, size);
  const int error = Await(work);
  if (error != 0) return NoAnswer(error, "write");
  const Result result = work->result;
  Delete(work);
  return result;
}

void ReleaseDistant(LockFile* file, const Ending& ending) {
  if (!file->valid()) return;  // never opened, or lent: then the work unlocks when it finds no lease
  EndWork* work = New<EndWork>(file, ending);
  if (Await(work, Need::kEnding) == 0) Delete(work);
}

void LeaveDistant(LockFile* file, const Ending& ending) {
  if (file->valid()) Leave(New<EndWork>(file, ending));
}

}  // namespace holdfast
