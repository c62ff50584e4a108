// A program of its own beside holdfast, for what Windows alone knows. It pins the on-disk contract from outside: the
// locked byte is written here a second time, so that a holdfast that moves it no longer agrees with this.
//
//   probe lock FILE     locks the byte, prints "locked" or "busy", and keeps it until standard input ends
//   probe read FILE     prints the first 512 bytes, by a plain ReadFile
//   probe doom FILE     marks FILE for deletion, prints "doomed", and keeps it open until standard input ends
//   probe handles       prints the path of every file that this process has a handle of
#include <windows.h>

#include <stdio.h>
#include <string.h>

#define LOCKED_BYTE 0x7FFFFFFFFFFFFFFEull
#define HIGHEST_HANDLE 0x4000

static int fail(const char *call) {
  fprintf(stderr, "%s failed: %lu\n", call, GetLastError());
  return 1;
}

static void say(const char *word) {
  puts(word);
  fflush(stdout);
}

static void wait_for_end_of_input(void) {
  while (getchar() != EOF) {
  }
}

static HANDLE open_shared(const char *path, DWORD access) {
  return CreateFileA(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
}

static int lock(HANDLE file) {
  OVERLAPPED range = {0};
  range.Offset = (DWORD)LOCKED_BYTE;
  range.OffsetHigh = (DWORD)(LOCKED_BYTE >> 32);
  if (LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &range)) {
    say("locked");
    wait_for_end_of_input();
    return 0;
  }
  if (GetLastError() != ERROR_LOCK_VIOLATION) return fail("LockFileEx");
  say("busy");
  return 0;
}

static int read(HANDLE file) {
  char record[512];
  DWORD length;
  if (!ReadFile(file, record, sizeof(record), &length, NULL)) return fail("ReadFile");
  fwrite(record, 1, length, stdout);
  return 0;
}

static int doom(HANDLE file) {
  FILE_DISPOSITION_INFO disposition = {TRUE};
  if (!SetFileInformationByHandle(file, FileDispositionInfo, &disposition, sizeof(disposition))) {
    return fail("SetFileInformationByHandle");
  }
  say("doomed");
  wait_for_end_of_input();
  return 0;
}

static int handles(void) {
  for (ULONG_PTR value = 4; value < HIGHEST_HANDLE; value += 4) {
    const HANDLE handle = (HANDLE)value;
    char path[MAX_PATH];
    if (GetFileType(handle) != FILE_TYPE_DISK) continue;
    const DWORD length = GetFinalPathNameByHandleA(handle, path, sizeof(path), 0);
    if (length > 0 && length < sizeof(path)) puts(path);
  }
  return 0;
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "handles") == 0) return handles();
  if (count != 3) return 2;
  const char *command = arguments[1];
  const HANDLE file = open_shared(arguments[2], strcmp(command, "doom") == 0 ? DELETE : GENERIC_READ);
  if (file == INVALID_HANDLE_VALUE) return fail("CreateFile");
  if (strcmp(command, "lock") == 0) return lock(file);
  if (strcmp(command, "read") == 0) return read(file);
  if (strcmp(command, "doom") == 0) return doom(file);
  return 2;
}
