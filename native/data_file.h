// The seam to the operating system for the files that locks protect: transcripts, stores, and what is written beside
// them. Written per system, like lock.h. Only the threads of scribe.cc use it: every call may take long.
#ifndef HOLDFAST_NATIVE_DATA_FILE_H_
#define HOLDFAST_NATIVE_DATA_FILE_H_

#include "lock.h"

namespace holdfast {

// What is known of one file at one time.
struct FileState {
  Identity identity;
  uint64_t birth = 0;  // when it was made, in units of the system; 0 where that is not known
  uint64_t size = 0;
  bool linked = true;  // some path names it
};

// Owns one descriptor. It is never inherited, and does not keep others from renaming or deleting the file.
class DataFile {
 public:
  DataFile() = default;
  ~DataFile() { Close(); }
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  // An existing regular file, for reading and, if asked for, for appending and cutting. kAbsent where there is none.
  // A link in the last component is refused: whoever locked the file has followed it.
  Result Open(const char* path, bool writes);

  // A new one, with these permissions less those that the process withholds. kBusy where the path names something.
  Result Create(const char* path, int mode);

  // The permissions of another file, and its owner as far as we may give that.
  Result TakeAfter(const DataFile& other);

  Result State(FileState* state) const;

  // From `offset` on, as much as there is up to `size`.
  Result Read(char* bytes, size_t size, uint64_t offset, size_t* length) const;

  // At the end of the file, wherever that is in the moment of each write. `written` tells how much was when it failed.
  Result Append(const char* bytes, size_t size, uint64_t* written);

  Result Cut(uint64_t size);

  // Returns when the content is on the device, as far as the system can know.
  Result Sync();

  // What is read next comes from the device, if the system can forget what it has in memory.
  void Forget() const;

  void Close();

  bool valid() const { return handle_ >= 0; }

 private:
  intptr_t handle_ = -1;
};

// Whether a file that is open here can be moved, or moved over.
extern const bool kMovesOpenFiles;

// `path` names the file of `from` afterwards, and did name either file at every moment; `from` names nothing. Where others
// may keep a file from being replaced (Windows), it is tried again for a second.
Result MoveOver(const char* from, const char* path);

// The same, if `path` names nothing; otherwise kBusy.
Result MoveTo(const char* from, const char* path);

Result RemoveFile(const char* path);

// What the folder of `path` names is on the device. Done where folders cannot be synchronised.
Result SyncFolderOf(const char* path);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_DATA_FILE_H_
