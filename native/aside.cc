#include "aside.h"

#include "lock.h"

namespace holdfast {
namespace {

constexpr int kPatienceMilliseconds = 1000;
constexpr int kImpatienceMilliseconds = 20;
constexpr int kMostThreads = 64;

// Never destroyed: threads may outlive exit().
Mutex mutex;
int threads = 0;
int overdue = 0;

}  // namespace

void Work::OnThread(void* memory) {
  Work* work = static_cast<Work*>(memory);
  work->run_(work);
  bool overdue_here;
  {
    MutexGuard guard(mutex);
    work->done_ = true;
    if (work->waiter_ != nullptr) {
      --threads;
      work->waiter_->Ring();  // the work is the waiter's from here on
      return;
    }
    overdue_here = work->overdue_;
  }
  work->delete_(work);  // which may wait for the filesystem too
  MutexGuard guard(mutex);
  --threads;
  if (overdue_here) --overdue;
}

// False: there is no thread for it.
bool Start(Work* work, Need need) {
  {
    MutexGuard guard(mutex);
    if (need == Need::kHint && overdue > 0) return false;
    if (need != Need::kEnding && threads >= kMostThreads) return false;
    ++threads;
  }
  if (StartDetachedThread(Work::OnThread, work)) return true;
  if (need == Need::kEnding) {
    Work::OnThread(work);
    return true;
  }
  MutexGuard guard(mutex);
  --threads;
  return false;
}

int Await(Work* work, Need need) {
  Bell bell;
  work->waiter_ = &bell;
  if (!Start(work, need)) {
    work->delete_(work);
    return kTimedOut;
  }
  MutexGuard guard(mutex);
  int patience = need == Need::kHint || overdue > 0 ? kImpatienceMilliseconds : kPatienceMilliseconds;
  if (need == Need::kEnding && overdue > 0) patience = 0;
  while (!work->done_) {
    if (bell.Wait(mutex, patience) || work->done_) continue;
    work->waiter_ = nullptr;
    work->overdue_ = true;
    ++overdue;
    return kTimedOut;
  }
  return 0;
}

void Leave(Work* work) { Start(work, Need::kEnding); }

}  // namespace holdfast
