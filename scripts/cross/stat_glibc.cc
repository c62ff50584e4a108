// stat, fstat and lstat as glibc had them before 2.33: not in the shared library, but in a static part of each program,
// which calls __xstat, __fxstat and __lxstat.
//
// Zig has such a part too, compiled from glibc's inner sources: it makes the system call itself and sets an errno of its
// own, so that whoever asks the C library why the call failed hears of an older failure. These come before it.
#include <sys/stat.h>

namespace {

// glibc's number of the layout of struct stat.
#if defined(__x86_64__)
constexpr int kLayout = 1;
#else
constexpr int kLayout = 0;
#endif

}  // namespace

extern "C" {

int __xstat(int layout, const char* path, struct stat* status);
int __fxstat(int layout, int fd, struct stat* status);
int __lxstat(int layout, const char* path, struct stat* status);

int stat(const char* path, struct stat* status) noexcept { return __xstat(kLayout, path, status); }

int fstat(int fd, struct stat* status) noexcept { return __fxstat(kLayout, fd, status); }

int lstat(const char* path, struct stat* status) noexcept { return __lxstat(kLayout, path, status); }

}
