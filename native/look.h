// Looks at a lock file without holding it. `aside` for a file whose filesystem may never answer (aside.h).
#ifndef HOLDFAST_NATIVE_LOOK_H_
#define HOLDFAST_NATIVE_LOOK_H_

#include "lease.h"

namespace holdfast {

struct Sight {
  bool held = false;  // a shared try was refused
  bool readable = false;
  size_t length = 0;
  char content[kRecordSize];
};

struct Link {
  char destination[4096];
};

// LockFile::FollowLink.
Result FollowLink(const char* path, bool aside, Link* link);

// Which file it is. Made for `target` where it is absent.
Result Identify(const char* path, const char* target, bool aside, Identity* identity);

// What stands in it. A hint: aside, it is waited for only a moment.
Result Peek(const char* path, bool aside, Sight* sight);

// The same, and whether somebody holds it.
Result Probe(const char* path, bool aside, Sight* sight);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_LOOK_H_
