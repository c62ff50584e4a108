// One change to a data file, or a look at one: what is asked for, and what came of it. It is made by a thread of
// scribe.cc, and nothing here touches JavaScript.
//
// A change under a lease keeps these rules:
//
//  1. The lease is guarded from before the file is looked at until nothing more is done to it. Where it has ended, or its
//     limit has passed, the change is not begun: kLost. A look is no change, and needs no lease.
//  2. What must be prepared (the new file of a replacement, and its way to the device) is prepared before the guard.
//  3. Bytes are appended at the end, wherever that is, and nowhere else: who writes without the lock loses nothing.
//  4. A file that is not as it was expected is left alone: kDiffers. So is one whose last line has no end: kTorn.
//  5. What a failed append left is cut off, if it is certain to be all that was added, and otherwise ended like a line.
//  6. A lease that is to end with the change ends here, without JavaScript. If the file was not as expected it stays, for
//     whoever asked must look first.
#ifndef HOLDFAST_NATIVE_CHANGE_H_
#define HOLDFAST_NATIVE_CHANGE_H_

#include "aside.h"
#include "data_file.h"
#include "lease.h"

namespace holdfast {

class Environment;

// What is hashed to tell versions apart, and what is looked at of a last line.
constexpr size_t kTailSize = 8192;

// A file's identity and birth, as digits: equal texts are one file.
struct FileName {
  char digits[65] = {};

  static FileName Of(const FileState& state);
  bool operator==(const FileName& other) const { return strcmp(digits, other.digits) == 0; }
};

// Bytes of one's own.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { free(bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // False where memory is out; it is empty then.
  bool Resize(size_t size);
  bool Copy(const void* bytes, size_t size);
  void Shorten(size_t size) { size_ = size; }

  char* bytes() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  char* bytes_ = nullptr;
  size_t size_ = 0;
};

enum class Task : uint8_t {
  kLook,     // reads `most` bytes from `from` on
  kAppend,   // adds `bytes` at the end, and puts `other` on the device before, if there is one and it can be done
  kCut,      // cuts the file to `from` bytes
  kReplace,  // puts `other` in its place: made of `bytes`, or finished already
  kRemove,
};

enum class Expected : uint8_t {
  kAny,      // an append: whatever it is, if its last line has an end
  kAbsent,   // no file
  kExact,    // this file, of this size
  kAtLeast,  // this file, of this size or grown
};

enum class Came : uint8_t {
  kDone,
  kAbsent,   // there is no file
  kDiffers,  // it is not as expected
  kTorn,     // its last line has no end
  kLost,     // the lease has ended
  kFailed,   // see `failure`
  kForeign,  // done, and somebody else has written meanwhile
};

struct Change {
  Change(const char* file, const char* beside) : path(file), other(beside) {}

  // Asked for.
  Task task = Task::kLook;
  Expected expected = Expected::kAny;
  bool synced = false;     // on the device when it is done
  bool folder = false;     // so is the name of the file
  bool carries = false;    // a replacement has what the file has from `from` on
  bool forgetful = false;  // a look at what the device has
  bool tail = false;       // a look at the last bytes instead
  bool ends = false;       // the lease ends with it
  int mode = 0600;         // of a file that is made
  uint64_t lease = 0;      // 0: none
  uint64_t from = 0;
  uint64_t most = 0;
  uint64_t size = 0;  // with `name`: what is expected; an append that meets it need not look at the last line
  FileName name;
  KeptEnding ending;
  const OwnText path;
  const OwnText other;
  Buffer bytes;

  // Came of it.
  Came came = Came::kFailed;
  Result failure;
  bool ended = false;   // the lease has
  bool undone = false;  // nothing of what failed is left in the file, or was done to it
  bool begun = false;   // there was a file, which `before` describes
  bool made = false;    // `after` describes it
  FileState before;
  FileState after;
  Buffer seen;  // what a look has read, or the last bytes before an append or after a replacement

  // scribe.cc's.
  uint64_t id = 0;
  Environment* environment = nullptr;
  bool running = false;
  bool finished = false;
  Change* next = nullptr;
  Change* next_waiting = nullptr;
};

// Makes it. Afterwards the lease is not guarded any more, and has ended if it was to.
void Make(Change* change);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_CHANGE_H_
