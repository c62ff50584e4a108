#include "watchdog.h"

#include "distant.h"
#include "registry.h"

namespace holdfast {
namespace {

constexpr uint64_t kNever = UINT64_MAX;
constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kLongestNap = 3600 * 1000 * kMillisecond;

// Under the registry's mutex. Never destroyed: the thread outlives exit().
Bell* bell = nullptr;
uint64_t next_look = kNever;

// What an overdue lease held: its end is made outside the mutex.
struct Ended {
  LockFile file;
  bool distant = false;
  KeptEnding ending;
};

// Under the mutex: takes from an overdue lease what it holds.
void Take(Lease* lease, Ended* ended) {
  ended->distant = lease->distant != nullptr;
  ended->ending = lease->at_limit;
  if (ended->distant && !lease->file.valid()) return EndLater(lease, ended->ending.ending());  // lent
  ended->file = static_cast<LockFile&&>(lease->file);
  if (lease->state == State::kGranted) {
    lease->state = State::kLapsed;
    return;
  }
  Unlink(lease);
  DeleteLease(lease);
}

void Finish(Ended* ended) {
  if (ended->distant) return LeaveDistant(&ended->file, ended->ending.ending());
  Stamp(&ended->file, ended->ending.ending());
  ended->file.Unlock();
}

int MillisecondsUntil(uint64_t time, uint64_t now) {
  const uint64_t nap = time - now < kLongestNap ? time - now : kLongestNap;
  return static_cast<int>((nap + kMillisecond - 1) / kMillisecond);
}

void Watch(void*) {
  for (;;) {
    Ended ended;
    {
      MutexGuard guard(registry);
      for (;;) {
        const uint64_t now = Now();
        next_look = kNever;
        Lease* lease = FindOverdue(now, &next_look);
        if (lease != nullptr) {
          Take(lease, &ended);
          break;
        }
        bell->Wait(registry, MillisecondsUntil(next_look, now));
      }
    }
    Finish(&ended);
  }
}

}  // namespace

bool StartWatchdog() {
  MutexGuard guard(registry);
  if (bell != nullptr) return true;
  bell = New<Bell>();
  if (StartDetachedThread(Watch, nullptr)) return true;
  Delete(bell);
  bell = nullptr;
  return false;
}

void WatchFor(uint64_t limit) {
  if (limit == 0 || limit >= next_look || bell == nullptr) return;
  next_look = limit;
  bell->Ring();
}

}  // namespace holdfast
