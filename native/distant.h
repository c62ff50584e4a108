// Leases on distant files: those whose filesystem may never answer. The rules are in lease.h, number 9 above all.
#ifndef HOLDFAST_NATIVE_DISTANT_H_
#define HOLDFAST_NATIVE_DISTANT_H_

#include "aside.h"
#include "lease.h"

namespace holdfast {

// What a distant lease has besides.
struct Distant {
  Distant(const char* path, const char* target, How how) : path(path), target(target), how(how) {}
  ~Distant() { free(link); }

  const OwnText path;
  const OwnText target;
  const How how;
  State ended = State::kFailed;  // how it ends that is not granted
  uint64_t other = 0;            // of a kAlias: the lease on the same file
  char* link = nullptr;          // of a kLooked: where the link leads; null where there is none
};

// Opens a distant lock file, or makes it. On a thread that may wait.
Result OpenOrCreate(const char* path, const char* target, LockFile* file);

// A new held lease (lease.cc).
Answer Hold(Environment* environment, Mode mode, LockFile* file, Distant* distant);

void DeleteLease(Lease* lease);

// A wait for a distant file: it adopts an orphan of that path, or has a thread of its own (lease.cc).
Answer WaitDistant(Environment* environment, Mode mode, Distant* distant);

// The thread of a look, likewise.
void LookForLink(Lease* lease);

// What a waiter thread does for a distant lease, up to its report.
void WaitForDistant(Lease* lease);

// PathNames, aside.
Result DistantNames(const char* path, const Identity& identity);

Result ReadDistant(Environment* environment, uint64_t id, char* bytes, size_t size, size_t* length);
Result WriteDistant(Environment* environment, uint64_t id, const char* bytes, size_t size);

// Stamps, unlocks and closes what a lease had that is out of the tables. Waits for it, but only so long.
void ReleaseDistant(LockFile* file, const Ending& ending);

// The same, without waiting.
void LeaveDistant(LockFile* file, const Ending& ending);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_DISTANT_H_
