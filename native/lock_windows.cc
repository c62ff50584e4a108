// The lock on Windows: LockFileEx on a synchronous handle. Its ranges are mandatory, so one byte far beyond any
// content is locked and the record stays readable while the lock is held.
#include "lock.h"

#include "thread.h"
#include "windows_calls.h"

namespace holdfast {
namespace {

// The locked byte is an on-disk contract between all versions of holdfast: it never changes.
constexpr DWORD kLockOffsetHigh = 0x7FFFFFFF;
constexpr DWORD kLockOffsetLow = 0xFFFFFFFE;

// Virus scanners and deletions under way refuse an open for a moment.
constexpr int kOpenTries = 10;
constexpr int kOpenPauseMilliseconds = 2;

// No FILE_SHARE_DELETE: a lock file that is open cannot be deleted, so a lock cannot be split in two. Null security
// attributes: the handle is not inherited, whatever a child is started with.
HANDLE OpenExisting(const wchar_t* path, DWORD access) {
  return CreateFileW(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING,
                     FILE_FLAG_OPEN_REPARSE_POINT, nullptr);
}

bool IsReparsePoint(DWORD attributes) {
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
}

bool IsFolder(DWORD attributes) {
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

Result NotFoundOut(const char* call, DWORD error) {
  const int number = NodeError(error);
  return number == kNotFound || number == kNotDirectory ? Result::Of(Outcome::kAbsent) : Failed(call, error);
}

// kDone: it is a link. kAbsent: it is none, or nothing is there.
Result LookForLink(const wchar_t* path) {
  const DWORD attributes = GetFileAttributesW(path);
  const DWORD error = GetLastError();
  if (attributes == INVALID_FILE_ATTRIBUTES) {
    if (!PassesByItself(error)) return NotFoundOut("GetFileAttributes", error);
  } else if (!IsReparsePoint(attributes)) {
    return Result::Of(Outcome::kAbsent);
  }
  // The only call that tells the tag without opening the file; of one that must not be opened it tells as well.
  WIN32_FIND_DATAW data;
  const HANDLE search = FindFirstFileW(path, &data);
  if (search == INVALID_HANDLE_VALUE) return NotFoundOut("FindFirstFile", GetLastError());
  FindClose(search);
  const bool leads = IsReparsePoint(data.dwFileAttributes) && LeadsElsewhere(data.dwReserved0);
  return leads ? Result() : Result::Of(Outcome::kAbsent);
}

bool MayBeData(HANDLE handle) {
  FILE_STANDARD_INFO facts;
  return GetFileInformationByHandleEx(handle, FileStandardInfo, &facts, sizeof(facts)) != 0 &&
         facts.NumberOfLinks > 1 && facts.EndOfFile.QuadPart == 0;
}

OVERLAPPED LockedByte() {
  OVERLAPPED range = {};
  range.Offset = kLockOffsetLow;
  range.OffsetHigh = kLockOffsetHigh;
  return range;
}

Result LockByte(HANDLE handle, DWORD flags) {
  OVERLAPPED range = LockedByte();
  if (LockFileEx(handle, flags, 0, 1, 0, &range) != 0) return {};
  const DWORD error = GetLastError();
  if (error == ERROR_LOCK_VIOLATION || error == ERROR_IO_PENDING) return Result::Of(Outcome::kBusy);
  return Failed("LockFileEx", error);
}

DWORD Flags(Mode mode) { return mode == Mode::kExclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0; }

}  // namespace

const int kOutOfMemory = kNoMemory;
const int kTimedOut = -4039;  // libuv's UV_ETIMEDOUT
const int kTryAgain = -4088;  // libuv's UV_EAGAIN

Result LockFile::ReadLink(const char* path, char* destination, size_t) {
  destination[0] = '\0';
  const WidePath wide(path);
  return wide.text == nullptr ? Failed("GetFileAttributes", ERROR_NOT_ENOUGH_MEMORY) : LookForLink(wide.text);
}

// Links are made by those who have the right to, and no folder is everybody's and sticky.
Result LockFile::FollowLink(const char* path, char* destination, size_t size) {
  return ReadLink(path, destination, size);
}

Result LockFile::Open(const char* path, LockFile* file) {
  const WidePath wide(path);
  if (wide.text == nullptr) return Failed("CreateFile", ERROR_INVALID_NAME);

  LockFile opened;
  opened.writable_ = true;
  DWORD error = ERROR_SUCCESS;
  for (int tries = 0; tries < kOpenTries; ++tries) {
    if (tries > 0) Pause(kOpenPauseMilliseconds);
    opened.handle_ = reinterpret_cast<intptr_t>(OpenExisting(wide.text, GENERIC_READ | GENERIC_WRITE));
    if (opened.handle_ >= 0) break;
    error = GetLastError();
    if (error == ERROR_ACCESS_DENIED || error == ERROR_WRITE_PROTECT) {
      // Whoever may read may lock. Only if that is refused too, something may be passing by.
      opened.handle_ = reinterpret_cast<intptr_t>(OpenExisting(wide.text, GENERIC_READ));
      opened.writable_ = false;
      if (opened.handle_ >= 0) break;
      opened.writable_ = true;
    }
    if (!PassesByItself(error) || IsFolder(GetFileAttributesW(wide.text))) break;
  }
  if (opened.handle_ < 0) {
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND) return Result::Of(Outcome::kAbsent);
    const DWORD attributes = GetFileAttributesW(wide.text);
    if (IsFolder(attributes)) return {Outcome::kFailed, LookForLink(wide.text).done() ? kLoop : kIsDirectory, "CreateFile"};
    return Failed("CreateFile", error);
  }
  FILE_ATTRIBUTE_TAG_INFO tag;  // of the handle, not of the path: that may name another file by now
  if (GetFileInformationByHandleEx(Handle(opened.handle_), FileAttributeTagInfo, &tag, sizeof(tag)) != 0 &&
      IsReparsePoint(tag.FileAttributes) && LeadsElsewhere(tag.ReparseTag)) {
    return {Outcome::kFailed, kLoop, "CreateFile"};
  }
  if (GetFileType(Handle(opened.handle_)) != FILE_TYPE_DISK) {
    return {Outcome::kFailed, kNotRegularFile, "CreateFile"};
  }
  if (!IdentityOf(Handle(opened.handle_), &opened.identity_)) {
    return Failed("GetFileInformationByHandle", GetLastError());
  }
  if (MayBeData(Handle(opened.handle_))) opened.writable_ = false;
  *file = static_cast<LockFile&&>(opened);
  return {};
}

Result LockFile::Create(const char* path, const char*) {
  const WidePath wide(path);
  if (wide.text == nullptr) return Failed("CreateFile", ERROR_INVALID_NAME);
  DWORD error = ERROR_SUCCESS;
  for (int tries = 0; tries < kOpenTries; ++tries) {
    if (tries > 0) Pause(kOpenPauseMilliseconds);
    LockFile created;
    created.handle_ = reinterpret_cast<intptr_t>(
        CreateFileW(wide.text, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                    CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr));
    if (created.handle_ >= 0) return {};
    error = GetLastError();
    if (error == ERROR_FILE_EXISTS || error == ERROR_ALREADY_EXISTS) return Result::Of(Outcome::kBusy);
    if (!PassesByItself(error)) break;
  }
  return Failed("CreateFile", error);
}

Result LockFile::TryLock(Mode mode) {
  return LockByte(Handle(handle_), Flags(mode) | LOCKFILE_FAIL_IMMEDIATELY);
}

Result LockFile::WaitLock(Mode mode) {
  for (;;) {
    const Result result = LockByte(Handle(handle_), Flags(mode));
    if (result.outcome != Outcome::kBusy) return result;
    Pause(1);
  }
}

void LockFile::Unlock() {
  OVERLAPPED range = LockedByte();
  UnlockFileEx(Handle(handle_), 0, 1, 0, &range);
}

void LockFile::Close() {
  if (handle_ < 0) return;
  CloseHandle(Handle(handle_));
  handle_ = -1;
}

Result LockFile::PathNames(const char* path, const Identity& identity) {
  const WidePath wide(path);
  if (wide.text == nullptr) return Failed("CreateFile", ERROR_INVALID_NAME);
  LockFile named;
  named.handle_ = reinterpret_cast<intptr_t>(
      CreateFileW(wide.text, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                  OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS, nullptr));
  if (named.handle_ < 0) {
    const DWORD error = GetLastError();
    const bool gone = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
    return gone ? Result::Of(Outcome::kReplaced) : Failed("CreateFile", error);
  }
  if (!IdentityOf(Handle(named.handle_), &named.identity_)) {
    return Failed("GetFileInformationByHandle", GetLastError());
  }
  return named.identity_ == identity ? Result() : Result::Of(Outcome::kReplaced);
}

Result LockFile::Read(char* bytes, size_t size, size_t* length) {
  *length = 0;
  while (*length < size) {
    OVERLAPPED position = {};
    position.Offset = static_cast<DWORD>(*length);
    DWORD count = 0;
    if (ReadFile(Handle(handle_), bytes + *length, static_cast<DWORD>(size - *length), &count, &position) == 0) {
      if (GetLastError() == ERROR_HANDLE_EOF) break;
      return Failed("ReadFile", GetLastError());
    }
    if (count == 0) break;
    *length += count;
  }
  return {};
}

Result LockFile::Write(const char* bytes, size_t size, size_t offset) {
  size_t written = 0;
  while (written < size) {
    OVERLAPPED position = {};
    position.Offset = static_cast<DWORD>(offset + written);
    DWORD count = 0;
    if (WriteFile(Handle(handle_), bytes + written, static_cast<DWORD>(size - written), &count, &position) == 0) {
      return Failed("WriteFile", GetLastError());
    }
    if (count == 0) return Failed("WriteFile", ERROR_DISK_FULL);
    written += count;
  }
  return {};
}

}  // namespace holdfast
