// Data files on Windows. Every handle shares everything: readers, writers, and those who rename or delete.
#include "data_file.h"

#include "thread.h"
#include "windows_calls.h"

namespace holdfast {
namespace {

constexpr DWORD kMostAtOnce = 1u << 30;

// A replacement is tried for about a second: a virus scanner that looks at a new file may take that long. Other calls may
// be refused for good, so they are not tried as long.
constexpr int kMoveTries = 50;
constexpr int kTries = 6;
constexpr int kPauseMilliseconds = 20;

// What headers of Windows 10 have: FileRenameInfoEx and its structure, and what is asked for with it.
constexpr FILE_INFO_BY_HANDLE_CLASS kFileRenameInfoEx = static_cast<FILE_INFO_BY_HANDLE_CLASS>(22);
constexpr DWORD kReplaceIfExists = 0x1;
constexpr DWORD kPosixSemantics = 0x2;
constexpr DWORD kIgnoreReadOnly = 0x40;
struct RenameInfo {
  DWORD flags;
  HANDLE root;
  DWORD length;  // in bytes
  wchar_t name[1];
};

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

// Without a time of birth: NTFS gives that of a deleted file to the next one of its name, and needs none, for its numbers
// are never given out again.
bool Describe(HANDLE handle, FileState* state) {
  FILE_STANDARD_INFO facts;
  if (GetFileInformationByHandleEx(handle, FileStandardInfo, &facts, sizeof(facts)) == 0) return false;
  state->size = static_cast<uint64_t>(facts.EndOfFile.QuadPart);
  state->linked = facts.NumberOfLinks > 0 && facts.DeletePending == 0;
  return IdentityOf(handle, &state->identity);
}

// Calls until what refuses it has passed by.
template <class Call>
Result Retried(const char* name, int most, Call call) {
  for (int tries = 1; call() == 0; ++tries) {
    const DWORD error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND) return Result::Of(Outcome::kAbsent);
    if (!PassesByItself(error) || tries == most) return Failed(name, error);
    Pause(kPauseMilliseconds);
  }
  return {};
}

// Replaces a file although somebody has it open, as long as he shares that. False where the system or the filesystem has no
// such call, or refuses it.
bool RenameLikePosix(const wchar_t* from, const wchar_t* path) {
  const size_t length = wcslen(path) * sizeof(wchar_t);
  RenameInfo* info = static_cast<RenameInfo*>(calloc(1, sizeof(RenameInfo) + length));
  if (info == nullptr) return false;
  info->flags = kReplaceIfExists | kPosixSemantics | kIgnoreReadOnly;
  info->length = static_cast<DWORD>(length);
  memcpy(info->name, path, length);
  const HANDLE file = CreateFileW(from, DELETE | SYNCHRONIZE, kShareAll, nullptr, OPEN_EXISTING,
                                  FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_WRITE_THROUGH, nullptr);
  bool renamed = false;
  if (file != INVALID_HANDLE_VALUE) {
    const DWORD size = static_cast<DWORD>(sizeof(RenameInfo) + length);
    renamed = SetFileInformationByHandle(file, kFileRenameInfoEx, info, size) != 0;
    CloseHandle(file);
  }
  free(info);
  return renamed;
}

}  // namespace

Result DataFile::Open(const char* path, bool writes) {
  const WidePath wide(path);
  if (wide.text == nullptr) return Failed("CreateFile", ERROR_INVALID_NAME);
  const Result opened = Retried("CreateFile", kTries, [&] {
    const HANDLE handle = CreateFileW(wide.text, writes ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ, kShareAll, nullptr,
                                      OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, nullptr);
    handle_ = reinterpret_cast<intptr_t>(handle);
    return handle != INVALID_HANDLE_VALUE;
  });
  if (!opened.done()) return opened;
  FILE_ATTRIBUTE_TAG_INFO tag;
  if (GetFileInformationByHandleEx(Handle(handle_), FileAttributeTagInfo, &tag, sizeof(tag)) != 0 &&
      (tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 && LeadsElsewhere(tag.ReparseTag)) {
    return {Outcome::kFailed, kLoop, "CreateFile"};
  }
  return GetFileType(Handle(handle_)) == FILE_TYPE_DISK ? Result()
                                                        : Result{Outcome::kFailed, kNotRegularFile, "CreateFile"};
}

Result DataFile::Create(const char* path, int) {
  const WidePath wide(path);
  if (wide.text == nullptr) return Failed("CreateFile", ERROR_INVALID_NAME);
  bool exists = false;
  const Result created = Retried("CreateFile", kTries, [&] {
    const HANDLE handle = CreateFileW(wide.text, GENERIC_READ | GENERIC_WRITE, kShareAll, nullptr, CREATE_NEW,
                                      FILE_ATTRIBUTE_NORMAL, nullptr);
    handle_ = reinterpret_cast<intptr_t>(handle);
    exists = handle == INVALID_HANDLE_VALUE &&
             (GetLastError() == ERROR_FILE_EXISTS || GetLastError() == ERROR_ALREADY_EXISTS);
    return exists || handle != INVALID_HANDLE_VALUE;
  });
  if (exists) return Result::Of(Outcome::kBusy);
  // A folder that is missing is no file that is missing.
  return created.outcome == Outcome::kAbsent ? Failed("CreateFile", ERROR_PATH_NOT_FOUND) : created;
}

// A new file has the access list that its folder gives.
Result DataFile::TakeAfter(const DataFile&) { return {}; }

Result DataFile::State(FileState* state) const {
  return Describe(Handle(handle_), state) ? Result() : Failed("GetFileInformationByHandle", GetLastError());
}

Result DataFile::Read(char* bytes, size_t size, uint64_t offset, size_t* length) const {
  *length = 0;
  while (*length < size) {
    const size_t rest = size - *length;
    OVERLAPPED position = {};
    position.Offset = static_cast<DWORD>(offset + *length);
    position.OffsetHigh = static_cast<DWORD>((offset + *length) >> 32);
    DWORD count = 0;
    if (ReadFile(Handle(handle_), bytes + *length, rest < kMostAtOnce ? static_cast<DWORD>(rest) : kMostAtOnce, &count,
                 &position) == 0) {
      if (GetLastError() == ERROR_HANDLE_EOF) break;
      return Failed("ReadFile", GetLastError());
    }
    if (count == 0) break;
    *length += count;
  }
  return {};
}

Result DataFile::Append(const char* bytes, size_t size, uint64_t* written) {
  *written = 0;
  while (*written < size) {
    const uint64_t rest = size - *written;
    OVERLAPPED end = {};
    end.Offset = end.OffsetHigh = 0xFFFFFFFF;  // the system's name for the end of the file
    DWORD count = 0;
    if (WriteFile(Handle(handle_), bytes + *written, rest < kMostAtOnce ? static_cast<DWORD>(rest) : kMostAtOnce, &count,
                  &end) == 0) {
      return Failed("WriteFile", GetLastError());
    }
    if (count == 0) return Failed("WriteFile", ERROR_DISK_FULL);
    *written += count;
  }
  return {};
}

Result DataFile::Cut(uint64_t size) {
  FILE_END_OF_FILE_INFO end;
  end.EndOfFile.QuadPart = static_cast<LONGLONG>(size);
  return SetFileInformationByHandle(Handle(handle_), FileEndOfFileInfo, &end, sizeof(end)) != 0
             ? Result()
             : Failed("SetFileInformationByHandle", GetLastError());
}

Result DataFile::Sync() {
  return FlushFileBuffers(Handle(handle_)) != 0 ? Result() : Failed("FlushFileBuffers", GetLastError());
}

void DataFile::Forget() const {}

void DataFile::Close() {
  if (handle_ < 0) return;
  CloseHandle(Handle(handle_));
  handle_ = -1;
}

const bool kMovesOpenFiles = false;

Result MoveOver(const char* from, const char* path) {
  const WidePath wide_from(from);
  const WidePath wide_path(path);
  if (wide_from.text == nullptr || wide_path.text == nullptr) return Failed("MoveFileEx", ERROR_INVALID_NAME);
  const Result moved = Retried("MoveFileEx", kMoveTries, [&] {
    return RenameLikePosix(wide_from.text, wide_path.text) ||
           MoveFileExW(wide_from.text, wide_path.text, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) != 0;
  });
  return moved.outcome == Outcome::kAbsent ? Failed("MoveFileEx", ERROR_FILE_NOT_FOUND) : moved;
}

Result MoveTo(const char* from, const char* path) {
  const WidePath wide_from(from);
  const WidePath wide_path(path);
  if (wide_from.text == nullptr || wide_path.text == nullptr) return Failed("MoveFileEx", ERROR_INVALID_NAME);
  bool exists = false;
  const Result moved = Retried("MoveFileEx", kMoveTries, [&] {
    const bool done = MoveFileExW(wide_from.text, wide_path.text, MOVEFILE_WRITE_THROUGH) != 0;
    exists = !done && (GetLastError() == ERROR_FILE_EXISTS || GetLastError() == ERROR_ALREADY_EXISTS);
    return done || exists;
  });
  if (exists) return Result::Of(Outcome::kBusy);
  return moved.outcome == Outcome::kAbsent ? Failed("MoveFileEx", ERROR_FILE_NOT_FOUND) : moved;
}

Result RemoveFile(const char* path) {
  const WidePath wide(path);
  if (wide.text == nullptr) return Failed("DeleteFile", ERROR_INVALID_NAME);
  return Retried("DeleteFile", kTries, [&] { return DeleteFileW(wide.text); });
}

// NTFS keeps its folders in a log, and MoveFileEx was told to write through.
Result SyncFolderOf(const char*) { return {}; }

}  // namespace holdfast
