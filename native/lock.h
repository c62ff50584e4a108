// The seam to the operating system: one lock file, seen through one descriptor.
//
// Each system implements exactly these names, in this order, in a file of its own (lock_posix.cc,
// lock_windows.cc); the build picks one. Nothing above this line knows which system it runs on.
//
// "Busy" is an answer, not a failure. A failure carries the error in Node's own numbering (a negative errno;
// libuv's number on Windows), so that Node can name it, and the call that failed.
//
// The rules of a lock file, which both systems keep:
//
//  1. It is a regular file. A directory, link, FIFO, socket or device is refused before anything is done to it.
//  2. It is opened first and made only where it is absent, exclusively, and with its owner and mode set before anybody
//     else could have used it. One that appears meanwhile is opened like any other.
//  3. It is never truncated and never deleted.
//  4. Two names are one file when the system gives them one identity, whatever their text.
//  5. The lock belongs to the open description: it excludes inside one process, no other close drops it, no child
//     inherits it.
//  6. Only what says "held by somebody" is busy. An interrupted call is repeated; any other error is a failure and
//     never counts as locked.
//  7. Who held it unlocks explicitly, then closes: a descriptor on its way through fork and exec keeps nothing.
//  8. An empty file that has other names too may be somebody's data, linked here by somebody else: it is locked, and not
//     written to. (One with content says by itself whether it is a lock file.)
#ifndef HOLDFAST_NATIVE_LOCK_H_
#define HOLDFAST_NATIVE_LOCK_H_

#include <stddef.h>
#include <stdint.h>

namespace holdfast {

enum class Mode : uint8_t { kExclusive, kShared };

enum class Outcome : uint8_t { kDone, kBusy, kAbsent, kReplaced, kFailed };

struct Result {
  Outcome outcome = Outcome::kDone;
  int error = 0;
  const char* call = nullptr;

  bool done() const { return outcome == Outcome::kDone; }
  static Result Of(Outcome outcome) { return {outcome, 0, nullptr}; }
};

// In Node's numbering, like every error here.
extern const int kOutOfMemory;
extern const int kTimedOut;
extern const int kTryAgain;

// What makes two names one file: device and inode on POSIX, volume and 128-bit file id on Windows.
struct Identity {
  uint64_t volume = 0;
  uint64_t high = 0;
  uint64_t low = 0;

  bool operator==(const Identity& other) const {
    return volume == other.volume && high == other.high && low == other.low;
  }
};

// Owns one descriptor of one lock file. Destruction closes it; closing frees the lock, but only Unlock() frees it
// at once even while a child is between fork and exec, so whoever holds the lock unlocks first.
//
// Guarantee: a descriptor is never inherited by a child program.
// Not guaranteed: that the path still names this file (ask PathNames).
class LockFile {
 public:
  LockFile() = default;
  ~LockFile() { Close(); }
  LockFile(LockFile&& other) noexcept { *this = static_cast<LockFile&&>(other); }
  LockFile& operator=(LockFile&& other) noexcept {
    if (this != &other) {
      Close();
      handle_ = other.handle_;
      writable_ = other.writable_;
      identity_ = other.identity_;
      other.handle_ = -1;
    }
    return *this;
  }
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  // kDone when the last component of `path` is a symlink or, on Windows, a junction: `destination` is where it leads, empty
  // where Node reads it better (Windows). kAbsent when it is none, or nothing is there. Whatever else keeps us from finding
  // out is a failure: who took it for "no link" would lock another file than everybody else.
  static Result ReadLink(const char* path, char* destination, size_t size);

  // The same for a link that is then followed by us and not by the system. A failure also where another user could have
  // planted it: in a sticky folder that everybody may write to, and it is neither ours nor the folder's owner's.
  static Result FollowLink(const char* path, char* destination, size_t size);

  // Opens an existing regular file and nothing else: never creates, truncates, follows a symlink in the last
  // component, or blocks. Falls back to a read-only descriptor where writing is not allowed: it locks, but it
  // carries no record.
  static Result Open(const char* path, LockFile* file);

  // Creates an empty lock file that whoever can use `target` can use too: with its read and write bits and, when we
  // are root, its owner; for ourselves alone where there is no target to be seen. On Windows the directory's access
  // list is inherited instead. kBusy means that the file exists already.
  static Result Create(const char* path, const char* target);

  // One non-blocking try.
  Result TryLock(Mode mode);

  // Blocks this thread until the lock is granted. Only a dedicated thread may call it, and while it does, nobody
  // else may touch this object: Windows queues every other call on the handle behind it, and macOS a close().
  Result WaitLock(Mode mode);

  void Unlock();
  void Close();

  // kDone when `path` names the file with this identity, kReplaced when it names another one or none.
  static Result PathNames(const char* path, const Identity& identity);

  // Reads up to `size` bytes from the start; kFailed also where a foreign mandatory lock hides the content.
  Result Read(char* bytes, size_t size, size_t* length);
  Result Write(const char* bytes, size_t size, size_t offset);

  bool valid() const { return handle_ >= 0; }
  const Identity& identity() const { return identity_; }
  // Whether it may carry a record: it can be written to, and rule 8 does not forbid it. As it was when it was opened: who
  // links it elsewhere later links our lock file.
  bool writable() const { return writable_; }

 private:
  intptr_t handle_ = -1;
  bool writable_ = false;
  Identity identity_;
};

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_LOCK_H_
