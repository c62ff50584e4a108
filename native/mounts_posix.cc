#include "mounts.h"

#if defined(__APPLE__)
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/param.h>
#endif

namespace holdfast {

#if defined(__APPLE__)

void ForEachMount(void (*visit)(void* context, const Mount& mount), void* context) {
  const int expected = getfsstat(nullptr, 0, MNT_NOWAIT) + 8;  // some may be added before the second call
  const size_t size = static_cast<size_t>(expected) * sizeof(struct statfs);
  struct statfs* mounts = static_cast<struct statfs*>(malloc(size));
  if (mounts == nullptr) return;
  const int count = getfsstat(mounts, static_cast<int>(size), MNT_NOWAIT);
  for (int i = 0; i < count; ++i) {
    visit(context, {mounts[i].f_mntonname, mounts[i].f_fstypename, mounts[i].f_mntfromname});
  }
  free(mounts);
}

#else

void ForEachMount(void (*)(void*, const Mount&), void*) {}

#endif

}  // namespace holdfast
