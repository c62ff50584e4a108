#include "registry.h"

#include <string.h>

#include "distant.h"

namespace holdfast {
namespace {

constexpr size_t kBuckets = 1024;
constexpr int kMostThreads = 512;

// Never destroyed: waiter threads may outlive exit().
Lease* leases_by_id[kBuckets];
Lease* leases_by_file[kBuckets];
uint64_t last_id = 0;
int threads = 0;

Lease** BucketOfId(uint64_t id) { return &leases_by_id[id % kBuckets]; }

Lease** BucketOfFile(const Identity& identity) {
  const uint64_t mixed = (identity.low ^ (identity.high << 1) ^ (identity.volume << 7)) * 0x9E3779B97F4A7C15u;
  return &leases_by_file[(mixed >> 32) % kBuckets];
}

}  // namespace

Mutex registry;

uint64_t NextId() { return ++last_id; }

void Link(Lease* lease) {
  lease->id = NextId();
  Lease** bucket = BucketOfId(lease->id);
  lease->next_with_id = *bucket;
  *bucket = lease;
  if (lease->file.valid()) LinkFile(lease);
}

void LinkFile(Lease* lease) {
  Lease** bucket = BucketOfFile(lease->file.identity());
  lease->next_with_file = *bucket;
  *bucket = lease;
}

void Unlink(Lease* lease) {
  Lease** link = BucketOfId(lease->id);
  while (*link != lease) link = &(*link)->next_with_id;
  *link = lease->next_with_id;
  link = BucketOfFile(lease->file.identity());
  while (*link != nullptr && *link != lease) link = &(*link)->next_with_file;
  if (*link != nullptr) *link = lease->next_with_file;  // otherwise its file was never opened
}

Lease* FindById(uint64_t id) {
  Lease* lease = *BucketOfId(id);
  while (lease != nullptr && lease->id != id) lease = lease->next_with_id;
  return lease;
}

Lease* Find(const Environment* environment, uint64_t id) {
  Lease* lease = FindById(id);
  return lease != nullptr && lease->environment == environment ? lease : nullptr;
}

Lease* FindHeld(const Environment* environment, uint64_t id) {
  Lease* lease = Find(environment, id);
  return lease != nullptr && lease->state == State::kHeld ? lease : nullptr;
}

bool IsWanted(const Lease* lease) {
  return lease->state != State::kOrphaned && lease->state != State::kLapsed && lease->environment != nullptr;
}

Lease* FindWanted(const Environment* environment, const Identity& identity) {
  Lease* lease = *BucketOfFile(identity);
  while (lease != nullptr &&
         !(lease->environment == environment && IsWanted(lease) && lease->file.identity() == identity)) {
    lease = lease->next_with_file;
  }
  return lease;
}

Lease* FindOrphan(const Environment* environment, const Identity& identity, Mode mode) {
  Lease* lease = *BucketOfFile(identity);
  while (lease != nullptr && !(lease->state == State::kOrphaned && lease->environment == environment &&
                               lease->mode == mode && lease->file.identity() == identity)) {
    lease = lease->next_with_file;
  }
  return lease;
}

Lease* FindDistant(const Environment* environment, const char* path, Mode mode, bool look, State state) {
  for (Lease* lease : leases_by_id) {
    for (; lease != nullptr; lease = lease->next_with_id) {
      if (lease->distant != nullptr && lease->environment == environment && lease->mode == mode &&
          lease->state == state && (lease->distant->how == How::kLook) == look &&
          strcmp(lease->distant->path.c_str(), path) == 0) {
        return lease;
      }
    }
  }
  return nullptr;
}

Lease* FindOverdue(uint64_t now, uint64_t* next) {
  for (Lease* lease : leases_by_id) {
    for (; lease != nullptr; lease = lease->next_with_id) {
      const bool holds = lease->state == State::kHeld || lease->state == State::kGranted;
      if (!holds || lease->limit == 0 || lease->guards > 0) continue;
      if (lease->limit <= now) return lease;
      if (lease->limit < *next) *next = lease->limit;
    }
  }
  return nullptr;
}

Lease* UnlinkAll(const Environment* environment) {
  Lease* ended = nullptr;
  for (Lease*& bucket : leases_by_id) {
    for (Lease *lease = bucket, *next; lease != nullptr; lease = next) {
      next = lease->next_with_id;
      if (lease->environment != environment) continue;
      if (lease->state == State::kWaiting || lease->state == State::kOrphaned) {
        lease->state = State::kOrphaned;
        lease->environment = nullptr;
      } else if (lease->changes > 0) {
        EndLater(lease, Ending());
      } else {
        Unlink(lease);
        lease->next_with_id = ended;
        ended = lease;
      }
    }
  }
  return ended;
}

bool CountThread() {
  if (threads == kMostThreads) return false;
  ++threads;
  return true;
}

void UncountThread() { --threads; }

}  // namespace holdfast
