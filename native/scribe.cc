#include "scribe.h"

#include "environment.h"
#include "registry.h"

namespace holdfast {
namespace {

constexpr int kMostThreads = 16;
constexpr int kIdleMilliseconds = 10000;

// All under the registry's mutex. Never destroyed: threads outlive exit().
Change* changes = nullptr;  // in the order in which they were asked for
Bell* bell = nullptr;
int threads = 0;
int idle = 0;

Change* FirstThatWaits() {
  Change* change = changes;
  while (change != nullptr && (change->running || change->finished)) change = change->next;
  return change;
}

void Append(Change* change) {
  Change** link = &changes;
  while (*link != nullptr) link = &(*link)->next;
  *link = change;
}

void Remove(const Change* change) {
  Change** link = &changes;
  while (*link != change) link = &(*link)->next;
  *link = change->next;
}

// The change was taken by this thread. Outside the mutex.
void MakeAndReport(Change* change) {
  Make(change);
  {
    MutexGuard guard(registry);
    change->finished = true;
    if (change->environment != nullptr && change->environment->Notify(change->id)) return;
    Remove(change);
  }
  Delete(change);
}

void Serve(void*) {
  for (;;) {
    Change* change;
    {
      MutexGuard guard(registry);
      while ((change = FirstThatWaits()) == nullptr) {
        ++idle;
        const bool rung = bell->Wait(registry, kIdleMilliseconds);
        --idle;
        if (!rung && FirstThatWaits() == nullptr) {
          --threads;
          return;
        }
      }
      change->running = true;
    }
    MakeAndReport(change);
  }
}

}  // namespace

uint64_t Order(Environment* environment, Change* change) {
  environment->Expect();
  bool here = false;
  uint64_t id;
  {
    MutexGuard guard(registry);
    if (bell == nullptr) bell = New<Bell>();
    id = change->id = NextId();
    change->environment = environment;
    int waiting = 1;
    for (const Change* other = changes; other != nullptr; other = other->next) {
      if (!other->running && !other->finished) ++waiting;
    }
    Append(change);
    if (waiting > idle && threads < kMostThreads && StartDetachedThread(Serve, nullptr)) ++threads;
    here = threads == 0;
    change->running = here;
    if (idle > 0) bell->Ring();
  }
  if (here) MakeAndReport(change);
  return id;
}

Change* Collect(Environment* environment, uint64_t id) {
  Change* change;
  {
    MutexGuard guard(registry);
    change = changes;
    while (change != nullptr && change->id != id) change = change->next;
    if (change == nullptr || change->environment != environment || !change->finished) return nullptr;
    Remove(change);
  }
  environment->Settled();
  return change;
}

Change* AbandonAll(const Environment* environment) {
  Change* abandoned = nullptr;
  Change** link = &changes;
  while (*link != nullptr) {
    Change* change = *link;
    if (change->environment == environment) {
      change->environment = nullptr;
      if (change->finished || !change->running) {
        *link = change->next;
        change->next = abandoned;
        abandoned = change;
        continue;
      }
    }
    link = &change->next;
  }
  return abandoned;
}

}  // namespace holdfast
