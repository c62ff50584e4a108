#include "mounts.h"

#include <windows.h>

namespace holdfast {

// Drives only. A path that begins with a server's name needs no table.
void ForEachMount(void (*visit)(void* context, const Mount& mount), void* context) {
  const DWORD drives = GetLogicalDrives();
  char point[] = "A:\\";
  for (int drive = 0; drive < 26; ++drive, ++point[0]) {
    if ((drives & (1u << drive)) == 0) continue;
    visit(context, {point, GetDriveTypeA(point) == DRIVE_REMOTE ? "remote" : "local", point});
  }
}

}  // namespace holdfast
