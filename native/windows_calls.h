// What the files of this folder for Windows have in common: errors in Node's numbering, paths, identities.
#ifndef HOLDFAST_NATIVE_WINDOWS_CALLS_H_
#define HOLDFAST_NATIVE_WINDOWS_CALLS_H_

#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "lock.h"

namespace holdfast {

// libuv's numbers, which Node can name on Windows.
constexpr int kAccessDenied = -4092;
constexpr int kBusyFile = -4082;
constexpr int kInvalid = -4071;
constexpr int kInputOutput = -4070;
constexpr int kIsDirectory = -4068;
constexpr int kLoop = -4067;
constexpr int kTooManyFiles = -4066;
constexpr int kNameTooLong = -4064;
constexpr int kNotFound = -4058;
constexpr int kNoMemory = -4057;
constexpr int kNoSpace = -4055;
constexpr int kNotDirectory = -4052;
constexpr int kNotSupported = -4049;
constexpr int kReadOnly = -4043;
constexpr int kNotRegularFile = -4028;
constexpr int kUnknown = -4094;

inline int NodeError(DWORD error) {
  switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_INVALID_DRIVE:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
      return kNotFound;
    case ERROR_ACCESS_DENIED:
      return kAccessDenied;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_DELETE_PENDING:
      return kBusyFile;
    case ERROR_TOO_MANY_OPEN_FILES:
      return kTooManyFiles;
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_BUFFER_OVERFLOW:
      return kNameTooLong;
    case ERROR_DIRECTORY:
      return kNotDirectory;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
      return kNoMemory;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
      return kNoSpace;
    case ERROR_WRITE_PROTECT:
      return kReadOnly;
    case ERROR_INVALID_FUNCTION:  // \\wsl$ and other shares that cannot lock
    case ERROR_NOT_SUPPORTED:
      return kNotSupported;
    case ERROR_INVALID_PARAMETER:
      return kInvalid;
    case ERROR_CRC:
    case ERROR_IO_DEVICE:
      return kInputOutput;
    default:
      return kUnknown;
  }
}

inline Result Failed(const char* call, DWORD error) { return {Outcome::kFailed, NodeError(error), call}; }

inline HANDLE Handle(intptr_t handle) { return reinterpret_cast<HANDLE>(handle); }

// A path as Windows wants it. `text` is null when memory ran out or the path is no UTF-8.
struct WidePath {
  explicit WidePath(const char* path) {
    const int length = MultiByteToWideChar(CP_UTF8, 0, path, -1, nullptr, 0);
    if (length <= 0) return;
    text = static_cast<wchar_t*>(malloc(static_cast<size_t>(length) * sizeof(wchar_t)));
    if (text != nullptr) MultiByteToWideChar(CP_UTF8, 0, path, -1, text, length);
  }
  ~WidePath() { free(text); }
  WidePath(const WidePath&) = delete;
  WidePath& operator=(const WidePath&) = delete;

  wchar_t* text = nullptr;
};

inline bool IdentityOf(HANDLE handle, Identity* identity) {
  FILE_ID_INFO id;
  if (GetFileInformationByHandleEx(handle, FileIdInfo, &id, sizeof(id)) != 0) {
    uint64_t halves[2];
    static_assert(sizeof(halves) == sizeof(id.FileId), "a file id has 128 bits");
    memcpy(halves, &id.FileId, sizeof(halves));
    *identity = {id.VolumeSerialNumber, halves[1], halves[0]};
    return true;
  }
  BY_HANDLE_FILE_INFORMATION information;  // filesystems that know 64-bit ids only
  if (GetFileInformationByHandle(handle, &information) == 0) return false;
  const uint64_t index = (uint64_t{information.nFileIndexHigh} << 32) | information.nFileIndexLow;
  *identity = {information.dwVolumeSerialNumber, 0, index};
  return true;
}

// Symbolic links and junctions; not the reparse points of deduplicated or cloud files, which are files.
inline bool LeadsElsewhere(DWORD tag) { return tag == IO_REPARSE_TAG_SYMLINK || tag == IO_REPARSE_TAG_MOUNT_POINT; }

// Virus scanners, readers that share nothing and deletions under way refuse a call for a moment.
inline bool PassesByItself(DWORD error) {
  return error == ERROR_SHARING_VIOLATION || error == ERROR_ACCESS_DENIED || error == ERROR_DELETE_PENDING;
}

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_WINDOWS_CALLS_H_
