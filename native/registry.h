// The tables of all leases of this process. Only lease.cc, distant.cc and watchdog.cc use them, by the rules in lease.h.
#ifndef HOLDFAST_NATIVE_REGISTRY_H_
#define HOLDFAST_NATIVE_REGISTRY_H_

#include "lease.h"
#include "thread.h"

namespace holdfast {

// A path that is replaced between open and lock is opened again; this often before it counts as absent.
constexpr int kMostReplacements = 64;

extern Mutex registry;  // protects all of the following, and every lease that is in the tables

// Into the tables, with a new id. A lease whose file is not open yet is put into that of the files by LinkFile.
void Link(Lease* lease);
void LinkFile(Lease* lease);
void Unlink(Lease* lease);

// A held lease is ended while somebody else uses its file, who ends it when that is done (lease.cc).
void EndLater(Lease* lease, const Ending& ending);

// Numbers of leases and changes are never the same.
uint64_t NextId();

Lease* FindById(uint64_t id);
Lease* Find(const Environment* environment, uint64_t id);
Lease* FindHeld(const Environment* environment, uint64_t id);

// Whether its environment holds it, was granted it or waits for it.
bool IsWanted(const Lease* lease);

// Any such lease on that file.
Lease* FindWanted(const Environment* environment, const Identity& identity);

Lease* FindOrphan(const Environment* environment, const Identity& identity, Mode mode);

// By the text of the path: a distant lease whose file may not be open yet.
Lease* FindDistant(const Environment* environment, const char* path, Mode mode, bool look, State state);

// A lease that holds its lock past its limit, and nobody guards. Null where there is none; `next` is when there may be.
Lease* FindOverdue(uint64_t now, uint64_t* next);

// Takes every lease of an environment out, but for those that a thread waits for: they become orphans of nobody.
// Answers with a list, linked by next_with_id.
Lease* UnlinkAll(const Environment* environment);

// Threads that wait. False: there are as many as may be.
bool CountThread();
void UncountThread();

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_REGISTRY_H_
