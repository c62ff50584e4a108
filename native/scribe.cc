#include "scribe.h"

#include "environment.h"
#include "registry.h"

namespace holdfast {
namespace {

constexpr int kMostThreads = 16;
constexpr int kIdleMilliseconds = 10000;

constexpr size_t kBuckets = 1024;

// All under the registry's mutex. Never destroyed: threads outlive exit().
Change* changes[kBuckets];  // by number
Change* first = nullptr;    // of those that wait, in the order in which they were asked for
Change* last = nullptr;
int waiting = 0;
Bell* bell = nullptr;
int threads = 0;
int idle = 0;

Change** LinkTo(uint64_t id) {
  Change** link = &changes[id % kBuckets];
  while (*link != nullptr && (*link)->id != id) link = &(*link)->next;
  return link;
}

void Unlink(const Change* change) { *LinkTo(change->id) = change->next; }

void Await(Change* change) {
  (first == nullptr ? first : last->next_waiting) = change;
  last = change;
  ++waiting;
}

// The next that waits, which is its caller's from now on. Null where there is none.
Change* TakeFirst() {
  Change* change = first;
  if (change == nullptr) return nullptr;
  first = change->next_waiting;
  --waiting;
  change->running = true;
  return change;
}

// The change was taken by this thread. Outside the mutex.
void MakeAndReport(Change* change) {
  Make(change);
  {
    MutexGuard guard(registry);
    change->finished = true;
    if (change->environment != nullptr && change->environment->Notify(change->id)) return;
    Unlink(change);
  }
  Delete(change);
}

void Serve(void*) {
  for (;;) {
    Change* change;
    {
      MutexGuard guard(registry);
      while ((change = TakeFirst()) == nullptr) {
        ++idle;
        const bool rung = bell->Wait(registry, kIdleMilliseconds);
        --idle;
        if (!rung && first == nullptr) {
          --threads;
          return;
        }
      }
    }
    MakeAndReport(change);
  }
}

}  // namespace

uint64_t Order(Environment* environment, Change* change) {
  environment->Expect();
  bool here;
  uint64_t id;
  {
    MutexGuard guard(registry);
    if (bell == nullptr) bell = New<Bell>();
    id = change->id = NextId();
    change->environment = environment;
    change->next = changes[id % kBuckets];
    changes[id % kBuckets] = change;
    if (waiting >= idle && threads < kMostThreads && StartDetachedThread(Serve, nullptr)) ++threads;
    here = threads == 0;
    change->running = here;
    if (!here) Await(change);
    if (idle > 0) bell->Ring();
  }
  if (here) MakeAndReport(change);
  return id;
}

Change* Collect(Environment* environment, uint64_t id) {
  Change* change;
  {
    MutexGuard guard(registry);
    change = *LinkTo(id);
    if (change == nullptr || change->environment != environment || !change->finished) return nullptr;
    Unlink(change);
  }
  environment->Settled();
  return change;
}

Change* AbandonAll(const Environment* environment) {
  Change* abandoned = nullptr;
  for (Change*& bucket : changes) {
    for (Change** link = &bucket; *link != nullptr;) {
      Change* change = *link;
      if (change->environment == environment) change->environment = nullptr;
      if (change->environment != nullptr || (change->running && !change->finished)) {
        link = &change->next;
        continue;
      }
      *link = change->next;
      change->next = abandoned;
      abandoned = change;
    }
  }
  Change* waited = first;
  first = last = nullptr;
  waiting = 0;
  for (Change* next; waited != nullptr; waited = next) {
    next = waited->next_waiting;
    waited->next_waiting = nullptr;
    if (waited->environment != nullptr) Await(waited);
  }
  return abandoned;
}

}  // namespace holdfast
