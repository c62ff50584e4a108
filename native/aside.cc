#include "aside.h"

#include "lock.h"

namespace holdfast {

namespace {

constexpr int kPatienceMilliseconds = 1000;
constexpr int kImpatienceMilliseconds = 20;
constexpr int kMostThreads = 64;

// Never destroyed: threads may outlive exit().
Mutex mutex;
Work* backlog = nullptr;
int threads = 0;
int overdue = 0;

}  // namespace

void Work::OnThread(void* memory) {
  for (Work* work = static_cast<Work*>(memory); work != nullptr;) {
    work->run_(work);
    Bell* waiter;
    Work* next;
    {
      MutexGuard guard(mutex);
      if (work->overdue_) --overdue;
      work->done_ = true;
      waiter = work->waiter_;
      if (waiter != nullptr) waiter->Ring();
      next = backlog;
      if (next != nullptr) {
        backlog = next->next_;
      } else {
        --threads;
      }
    }
    if (waiter == nullptr) work->delete_(work);  // otherwise it is gone by now
    work = next;
  }
}

// False: there is no thread for it.
bool Start(Work* work, Need need) {
  {
    MutexGuard guard(mutex);
    if (threads < kMostThreads) {
      ++threads;
    } else if (need == Need::kEnding) {
      work->next_ = backlog;
      backlog = work;
      return true;
    } else {
      return false;
    }
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
    return kTryAgain;
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
