// The lock on Linux and macOS: flock(2), which belongs to the open file description. It excludes inside one
// process as well, and no unrelated close() of the same file drops it (both are where fcntl(2) locks fail).
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "thread.h"

namespace holdfast {
namespace {

// Inappropriate file type. Linux has no errno of that meaning, but libuv has a number.
#ifdef EFTYPE
constexpr int kNotRegularFile = -EFTYPE;
#else
constexpr int kNotRegularFile = -4028;
#endif

Result Failed(const char* call, int error) { return {Outcome::kFailed, -error, call}; }

int OpenExisting(const char* path, int access) {
  int fd;
  do {
    // O_NONBLOCK: a FIFO must not block the caller. O_NOCTTY: a terminal must not become ours.
    fd = open(path, access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

bool WritingIsRefused(int error) { return error == EACCES || error == EPERM || error == EROFS; }

Identity IdentityOf(const struct stat& status) {
  return {static_cast<uint64_t>(status.st_dev), 0, static_cast<uint64_t>(status.st_ino)};
}

bool MayBeData(const struct stat& status) { return status.st_nlink > 1 && status.st_size == 0; }

bool MeansNoLink(int error) { return error == EINVAL || error == ENOENT || error == ENOTDIR; }

Result StatFolderOf(const char* path, struct stat* status) {
  char folder[PATH_MAX];
  const char* slash = strrchr(path, '/');
  const size_t length = slash == nullptr || slash == path ? 1 : static_cast<size_t>(slash - path);
  if (length >= sizeof(folder)) return Failed("stat", ENAMETOOLONG);
  memcpy(folder, slash == nullptr ? "." : path, length);
  folder[length] = '\0';
  return stat(folder, status) == 0 ? Result() : Failed("stat", errno);
}

// The rule of Linux's fs.protected_symlinks, which guards only what the kernel follows by itself, and only where it is
// switched on. For root as well: it is root who is made to do something elsewhere. kAbsent: it is no link any more.
Result MayFollow(const char* path) {
  struct stat link;
  if (lstat(path, &link) != 0) {
    return MeansNoLink(errno) ? Result::Of(Outcome::kAbsent) : Failed("lstat", errno);
  }
  if (!S_ISLNK(link.st_mode)) return Result::Of(Outcome::kAbsent);
  if (link.st_uid == geteuid()) return {};
  struct stat folder;
  const Result found = StatFolderOf(path, &folder);
  if (!found.done()) return found;
  const bool anybodys = (folder.st_mode & S_ISVTX) != 0 && (folder.st_mode & S_IWOTH) != 0;
  return anybodys && link.st_uid != folder.st_uid ? Failed("readlink", EACCES) : Result();
}

int Operation(Mode mode) { return mode == Mode::kExclusive ? LOCK_EX : LOCK_SH; }

// CIFS reports a lock held by somebody else as EACCES.
bool MeansBusy(int error) { return error == EWOULDBLOCK || error == EAGAIN || error == EACCES; }

int Flock(int fd, int operation) {
  int result;
  do {
    result = flock(fd, operation);
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

const int kOutOfMemory = -ENOMEM;
const int kTimedOut = -ETIMEDOUT;
const int kTryAgain = -EAGAIN;

Result LockFile::ReadLink(const char* path, char* destination, size_t size) {
  ssize_t length;
  do {
    length = readlink(path, destination, size);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return MeansNoLink(errno) ? Result::Of(Outcome::kAbsent) : Failed("readlink", errno);
  if (static_cast<size_t>(length) >= size) return Failed("readlink", ENAMETOOLONG);  // it may be cut off
  destination[length] = '\0';
  return {};
}

Result LockFile::FollowLink(const char* path, char* destination, size_t size) {
  const Result link = ReadLink(path, destination, size);
  if (!link.done()) return link;
  const Result allowed = MayFollow(path);
  // Again, for somebody may have replaced it before we looked whose it is. Once it may be followed, he cannot.
  return allowed.done() ? ReadLink(path, destination, size) : allowed;
}

Result LockFile::Open(const char* path, LockFile* file) {
  // Without O_CREAT: a sticky directory refuses O_CREAT on a file that belongs to somebody else.
  int fd = OpenExisting(path, O_RDWR);
  // The creator of a file may be about to give it to us (Create: chown, then chmod).
  for (int again = 0; fd < 0 && errno == EACCES && again < 2; ++again) {
    Pause(1);
    fd = OpenExisting(path, O_RDWR);
  }
  bool writable = true;
  if (fd < 0 && WritingIsRefused(errno)) {
    const int refusal = errno;
    writable = false;
    fd = OpenExisting(path, O_RDONLY);
    if (fd < 0 && errno != ENOENT) errno = refusal;
  }
  if (fd < 0) return errno == ENOENT ? Result::Of(Outcome::kAbsent) : Failed("open", errno);

  LockFile opened;
  opened.handle_ = fd;
  struct stat status;
  if (fstat(fd, &status) != 0) return Failed("fstat", errno);
  if (S_ISDIR(status.st_mode)) return Failed("open", EISDIR);
  if (!S_ISREG(status.st_mode)) return {Outcome::kFailed, kNotRegularFile, "open"};
  opened.identity_ = IdentityOf(status);
  opened.writable_ = writable && !MayBeData(status);
  *file = static_cast<LockFile&&>(opened);
  return {};
}

Result LockFile::Create(const char* path, const char* target) {
  mode_t mode = S_IRUSR | S_IWUSR;
  struct stat like;
  const bool known = stat(target, &like) == 0;
  if (!known && errno != ENOENT && errno != ENOTDIR && errno != EACCES) return Failed("stat", errno);
  if (known) mode |= like.st_mode & (S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH);

  int fd;
  do {
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, S_IRUSR | S_IWUSR);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno == EEXIST ? Result::Of(Outcome::kBusy) : Failed("open", errno);

  LockFile created;
  created.handle_ = fd;
  // The owner first: chown clears mode bits. A file that could not be given away is still a lock file, so a
  // filesystem without owners or modes is no failure.
  if (known && geteuid() == 0 && fchown(fd, like.st_uid, like.st_gid) != 0 && errno == EIO) {
    return Failed("fchown", errno);
  }
  if (fchmod(fd, mode) != 0 && errno == EIO) return Failed("fchmod", errno);
  return {};
}

Result LockFile::TryLock(Mode mode) {
  if (Flock(static_cast<int>(handle_), Operation(mode) | LOCK_NB) == 0) return {};
  return MeansBusy(errno) ? Result::Of(Outcome::kBusy) : Failed("flock", errno);
}

Result LockFile::WaitLock(Mode mode) {
  while (Flock(static_cast<int>(handle_), Operation(mode)) != 0) {
    if (!MeansBusy(errno)) return Failed("flock", errno);
    Pause(1);
  }
  return {};
}

void LockFile::Unlock() { Flock(static_cast<int>(handle_), LOCK_UN); }

void LockFile::Close() {
  if (handle_ < 0) return;
  close(static_cast<int>(handle_));  // never again after EINTR: the descriptor may be somebody else's by then
  handle_ = -1;
}

Result LockFile::PathNames(const char* path, const Identity& identity) {
  struct stat status;
  if (lstat(path, &status) == 0) {
    return IdentityOf(status) == identity ? Result() : Result::Of(Outcome::kReplaced);
  }
  if (errno == ENOENT || errno == ENOTDIR) return Result::Of(Outcome::kReplaced);
  return Failed("lstat", errno);
}

Result LockFile::Read(char* bytes, size_t size, size_t* length) {
  *length = 0;
  while (*length < size) {
    const ssize_t count =
        pread(static_cast<int>(handle_), bytes + *length, size - *length, static_cast<off_t>(*length));
    if (count == 0) break;
    if (count > 0) {
      *length += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      return Failed("read", errno);
    }
  }
  return {};
}

Result LockFile::Write(const char* bytes, size_t size, size_t offset) {
  size_t written = 0;
  while (written < size) {
    const ssize_t count = pwrite(static_cast<int>(handle_), bytes + written, size - written,
                                 static_cast<off_t>(offset + written));
    if (count > 0) {
      written += static_cast<size_t>(count);
    } else if (count == 0 || errno != EINTR) {
      return Failed("write", count == 0 ? EIO : errno);
    }
  }
  return {};
}

}  // namespace holdfast
