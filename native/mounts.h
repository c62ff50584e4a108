// What the system tells of its filesystems without asking one of them: a dead server must not keep the asker waiting.
#ifndef HOLDFAST_NATIVE_MOUNTS_H_
#define HOLDFAST_NATIVE_MOUNTS_H_

namespace holdfast {

struct Mount {
  const char* point;  // in UTF-8
  const char* type;   // as the system calls it; Windows: "local" or "remote"
  const char* source;
};

// Calls `visit` for each. Linux has a better list, with options, in /proc/self/mountinfo, and none here.
void ForEachMount(void (*visit)(void* context, const Mount& mount), void* context);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_MOUNTS_H_
