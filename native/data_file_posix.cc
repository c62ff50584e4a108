// Data files on Linux and macOS.
#include "data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace holdfast {
namespace {

// macOS refuses more in one call.
constexpr size_t kMostAtOnce = size_t{1} << 30;

#ifdef EFTYPE
constexpr int kNotRegularFile = -EFTYPE;
#else
constexpr int kNotRegularFile = -4028;  // as libuv numbers it
#endif

Result Failed(const char* call) { return {Outcome::kFailed, -errno, call}; }

int OpenAt(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

template <class Call>
Result Retried(const char* name, Call call) {
  while (call() != 0) {
    if (errno != EINTR) return Failed(name);
  }
  return {};
}

#if defined(__linux__)
// The part of the kernel's struct statx that is needed. The C library of the oldest supported system has no such call.
struct Statx {
  uint32_t mask;
  uint8_t unused[76];
  int64_t birth_seconds;
  uint32_t birth_nanoseconds;
  uint8_t rest[164];
};
static_assert(sizeof(Statx) == 256, "the kernel writes 256 bytes");
constexpr unsigned kBirthTime = 0x800;
constexpr int kThisDescriptor = 0x1000;  // AT_EMPTY_PATH

uint64_t BirthOf(int fd, const struct stat&) {
  Statx status;
  memset(&status, 0, sizeof(status));
  if (syscall(SYS_statx, fd, "", kThisDescriptor, kBirthTime, &status) != 0) return 0;
  if ((status.mask & kBirthTime) == 0) return 0;
  return static_cast<uint64_t>(status.birth_seconds) * 1000000000u + status.birth_nanoseconds;
}

int SyncContent(int fd) { return fdatasync(fd); }

int SyncFolder(int fd) { return fsync(fd); }
#else
uint64_t BirthOf(int, const struct stat& status) {
  return static_cast<uint64_t>(status.st_birthtimespec.tv_sec) * 1000000000u +
         static_cast<uint64_t>(status.st_birthtimespec.tv_nsec);
}

// fsync() alone leaves the content in the cache of the device. Filesystems that know nothing better say so.
int SyncContent(int fd) {
  if (fcntl(fd, F_FULLFSYNC) == 0) return 0;
  return errno == ENOTSUP || errno == ENOTTY || errno == EINVAL ? fsync(fd) : -1;
}

int SyncFolder(int fd) { return SyncContent(fd); }
#endif

}  // namespace

Result DataFile::Open(const char* path, bool writes) {
  handle_ = OpenAt(path, O_NOFOLLOW | (writes ? O_RDWR | O_APPEND : O_RDONLY));
  if (handle_ < 0) return errno == ENOENT ? Result::Of(Outcome::kAbsent) : Failed("open");
  struct stat status;
  if (fstat(static_cast<int>(handle_), &status) != 0) return Failed("fstat");
  if (S_ISDIR(status.st_mode)) return {Outcome::kFailed, -EISDIR, "open"};
  return S_ISREG(status.st_mode) ? Result() : Result{Outcome::kFailed, kNotRegularFile, "open"};
}

Result DataFile::Create(const char* path, int mode) {
  handle_ = OpenAt(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, static_cast<mode_t>(mode));
  if (handle_ >= 0) return {};
  return errno == EEXIST ? Result::Of(Outcome::kBusy) : Failed("open");
}

Result DataFile::TakeAfter(const DataFile& other) {
  const int fd = static_cast<int>(handle_);
  struct stat theirs;
  struct stat ours;
  if (fstat(static_cast<int>(other.handle_), &theirs) != 0 || fstat(fd, &ours) != 0) return Failed("fstat");
  // The owner first: chown clears mode bits. That we may not give it away is no failure.
  if (theirs.st_uid != ours.st_uid || theirs.st_gid != ours.st_gid) {
    if (fchown(fd, theirs.st_uid, theirs.st_gid) != 0 && fchown(fd, static_cast<uid_t>(-1), theirs.st_gid) != 0 &&
        errno == EIO) {
      return Failed("fchown");
    }
  }
  // Without the bits by which whoever runs a file is its owner: that might be us now.
  const mode_t mode = S_IRWXU | S_IRWXG | S_IRWXO;
  if (((theirs.st_mode ^ ours.st_mode) & mode) == 0) return {};
  return fchmod(fd, theirs.st_mode & mode) == 0 || errno != EIO ? Result() : Failed("fchmod");
}

Result DataFile::State(FileState* state) const {
  struct stat status;
  if (fstat(static_cast<int>(handle_), &status) != 0) return Failed("fstat");
  state->identity = {static_cast<uint64_t>(status.st_dev), 0, static_cast<uint64_t>(status.st_ino)};
  state->birth = BirthOf(static_cast<int>(handle_), status);
  state->size = static_cast<uint64_t>(status.st_size);
  state->linked = status.st_nlink > 0;
  return {};
}

Result DataFile::Read(char* bytes, size_t size, uint64_t offset, size_t* length) const {
  *length = 0;
  while (*length < size) {
    const size_t rest = size - *length < kMostAtOnce ? size - *length : kMostAtOnce;
    const ssize_t count =
        pread(static_cast<int>(handle_), bytes + *length, rest, static_cast<off_t>(offset + *length));
    if (count == 0) break;
    if (count > 0) {
      *length += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      return Failed("read");
    }
  }
  return {};
}

Result DataFile::Append(const char* bytes, size_t size, uint64_t* written) {
  *written = 0;
  while (*written < size) {
    const size_t rest = size - *written < kMostAtOnce ? size - *written : kMostAtOnce;
    const ssize_t count = write(static_cast<int>(handle_), bytes + *written, rest);
    if (count > 0) {
      *written += static_cast<uint64_t>(count);
    } else if (count == 0) {
      return {Outcome::kFailed, -EIO, "write"};
    } else if (errno != EINTR) {
      return Failed("write");
    }
  }
  return {};
}

Result DataFile::Cut(uint64_t size) {
  return Retried("ftruncate", [&] { return ftruncate(static_cast<int>(handle_), static_cast<off_t>(size)); });
}

Result DataFile::Sync() {
  return Retried("fdatasync", [&] { return SyncContent(static_cast<int>(handle_)); });
}

void DataFile::Forget() const {
#if defined(__linux__)
  posix_fadvise(static_cast<int>(handle_), 0, 0, POSIX_FADV_DONTNEED);
#endif
}

void DataFile::Close() {
  if (handle_ < 0) return;
  close(static_cast<int>(handle_));
  handle_ = -1;
}

const bool kMovesOpenFiles = true;

Result MoveOver(const char* from, const char* path) {
  return Retried("rename", [&] { return rename(from, path); });
}

Result MoveTo(const char* from, const char* path) {
  const Result linked = Retried("link", [&] { return link(from, path); });
  if (linked.done()) {
    unlink(from);
    return linked;
  }
  if (linked.error == -EEXIST) return Result::Of(Outcome::kBusy);
  // A filesystem without links: then it is only known that nothing was there a moment before.
  constexpr int kWithout[] = {EPERM, ENOTSUP, EOPNOTSUPP, ENOSYS, EMLINK};
  for (const int error : kWithout) {
    if (linked.error == -error) return MoveOver(from, path);
  }
  return linked;
}

Result RemoveFile(const char* path) {
  if (unlink(path) == 0) return {};
  return errno == ENOENT ? Result::Of(Outcome::kAbsent) : Failed("unlink");
}

Result SyncFolderOf(const char* path) {
  const char* slash = strrchr(path, '/');
  if (slash == nullptr) return {};
  const size_t length = slash == path ? 1 : static_cast<size_t>(slash - path);
  char* folder = static_cast<char*>(malloc(length + 1));
  if (folder == nullptr) return {Outcome::kFailed, kOutOfMemory, "open"};
  memcpy(folder, path, length);
  folder[length] = '\0';
  const int fd = OpenAt(folder, O_RDONLY | O_DIRECTORY);
  free(folder);
  if (fd < 0) return errno == EACCES ? Result() : Failed("open");  // one that may be written, but not read
  const Result result = Retried("fsync", [&] { return SyncFolder(fd); });
  close(fd);
  const bool cannot = result.error == -EINVAL || result.error == -ENOTSUP;  // so it has no folder that could be lost
  return cannot ? Result() : result;
}

}  // namespace holdfast
