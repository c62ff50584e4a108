// Faults at exact system calls: a library that is loaded before the C library, into a program that works on the files of
// one folder. It counts what the program asks of the system for these files, over all of its threads, and does at the n-th
// call what a rule says: kills the process before the call is made or after it, fails it, lets it do a part, or stops there.
//
// A tracer would see the same, but strace counts for each thread by itself, so with several threads nobody could say that
// every call has had its turn; and it cannot write a part of what was asked for.
//
// What it is told, and what it has seen, is in a file that the other side has mapped as well or reads: it is still there
// after the process was killed. The layout is that of test/helpers/faults.ts.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

// Where a header makes one name of two, both are still symbols.
#undef open64
#undef openat64
#undef stat64
#undef lstat64
#undef fstat64
#undef pread64
#undef pwrite64
#undef ftruncate64
#undef statfs64
#undef posix_fadvise64

enum { kRules = 8, kLines = 1000, kLine = 96 };

// FAIL_AFTER makes the call and then tells that it failed. PART makes it with `most` bytes at the most.
enum { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL, FAIL_AFTER, PART, STOP };

struct rule {
  int32_t does;
  int32_t at;       // counted from 1; 0: at each call; -n: from the n-th on
  int32_t seen;
  int32_t error;
  int32_t most;     // of a write, for KILL_AFTER and PART; -1: all
  int32_t fired;
  char call[16];    // empty: any
  char ending[24];  // of the file's name
};

struct control {
  int32_t armed;
  int32_t calls;
  int32_t stopped;  // calls that have stopped so far
  int32_t resumed;  // how many of these may go on
  int32_t unused[12];
  struct rule rules[kRules];
  char lines[kLines][kLine];
};

static struct control* control;
static const char* folder;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name)                                                        \
  static __typeof__(&name) real;                                          \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static long system_call(long number, long a, long b, long c, long d) {
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  return real(number, a, b, c, d);
}

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("HOLDFAST_FAULTS");
  folder = getenv("HOLDFAST_FAULTS_FOLDER");
  if (path == NULL || folder == NULL) return;
  const long fd = system_call(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void* memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
  system_call(SYS_close, fd, 0, 0, 0);
  if (memory != MAP_FAILED) control = memory;
}

static void die(void) {
  for (;;) system_call(SYS_kill, getpid(), SIGKILL, 0, 0);
}

static void stop(void) {
  const int32_t turn = __atomic_add_fetch(&control->stopped, 1, __ATOMIC_SEQ_CST);
  const struct timespec moment = {0, 200000};
  while (__atomic_load_n(&control->resumed, __ATOMIC_SEQ_CST) < turn) system_call(SYS_nanosleep, (long)&moment, 0, 0, 0);
}

static int matches(const struct rule* rule, const char* call, const char* name) {
  if (rule->does == NOTHING || (rule->call[0] != '\0' && strcmp(rule->call, call) != 0)) return 0;
  const size_t size = strlen(name), ending = strlen(rule->ending);
  return ending <= size && strcmp(name + size - ending, rule->ending) == 0;
}

// What is to be done to this call. The first rule whose turn it is decides; each counts what it matches.
static struct rule judge(const char* call, const char* path) {
  struct rule verdict = {0};
  const size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0 || (path[length] != '/' && path[length] != '\0')) return verdict;
  const char* name = path[length] == '/' ? path + length + 1 : ".";
  pthread_mutex_lock(&mutex);
  const int32_t line = control->calls++;
  if (line < kLines) snprintf(control->lines[line], kLine, "%s %s", call, name);
  for (int i = 0; i < kRules; ++i) {
    struct rule* rule = &control->rules[i];
    if (!matches(rule, call, name)) continue;
    const int32_t seen = ++rule->seen;
    if (rule->at != 0 && rule->at != seen && !(rule->at < 0 && seen >= -rule->at)) continue;
    if (verdict.does != NOTHING) continue;
    ++rule->fired;
    verdict = *rule;
  }
  pthread_mutex_unlock(&mutex);
  if (verdict.does == KILL_BEFORE) die();
  if (verdict.does == STOP) {
    stop();
    if (verdict.error != 0) verdict.does = FAIL;
  }
  return verdict;
}

static struct rule of_path(const char* call, const char* path) {
  struct rule none = {0};
  const int error = errno;
  if (control == NULL || !__atomic_load_n(&control->armed, __ATOMIC_SEQ_CST) || path == NULL || path[0] != '/') return none;
  const struct rule verdict = judge(call, path);
  errno = error;
  return verdict;
}

// The descriptor's file by the name it has now: no table of ours could miss a descriptor that was given out again.
static struct rule of_descriptor(const char* call, int fd) {
  struct rule none = {0};
  if (control == NULL || !__atomic_load_n(&control->armed, __ATOMIC_SEQ_CST)) return none;
  const int error = errno;
  char link[32], path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const long size = system_call(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, sizeof(path) - 1);
  if (size < 0) {
    errno = error;
    return none;
  }
  path[size] = '\0';
  static const char deleted[] = " (deleted)";
  const long end = size - (long)(sizeof(deleted) - 1);
  if (end > 0 && strcmp(path + end, deleted) == 0) path[end] = '\0';
  const struct rule verdict = judge(call, path);
  errno = error;
  return verdict;
}

static long after(const struct rule* rule, long result, long failure) {
  if (rule->does == KILL_AFTER) die();
  if (rule->does != FAIL_AFTER) return result;
  errno = rule->error;
  return failure;
}

#define FAULTED(type, judged, call)               \
  const struct rule rule = judged;                \
  if (rule.does == FAIL) {                        \
    errno = rule.error;                           \
    return (type)-1;                              \
  }                                               \
  const type result = call;                       \
  return (type)after(&rule, (long)result, -1)

#define PART_OF(size) (rule.most >= 0 && rule.does != NOTHING && (size_t)rule.most < (size) ? (size_t)rule.most : (size))

#define MODE                                      \
  va_list list;                                   \
  va_start(list, flags);                          \
  const mode_t mode = va_arg(list, mode_t);       \
  va_end(list)

#define OPEN(name)                                                              \
  int name(const char* path, int flags, ...) {                                  \
    REAL(name);                                                                 \
    MODE;                                                                       \
    FAULTED(int, of_path("open", path), real(path, flags, mode));               \
  }
#define OPENAT(name)                                                            \
  int name(int at, const char* path, int flags, ...) {                          \
    REAL(name);                                                                 \
    MODE;                                                                       \
    FAULTED(int, of_path("open", path), real(at, path, flags, mode));           \
  }
int open64(const char* path, int flags, ...);
int openat64(int at, const char* path, int flags, ...);
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define STAT(name, what, type)                                                  \
  int name(const char* path, struct type* status);                              \
  int name(const char* path, struct type* status) {                             \
    REAL(name);                                                                 \
    FAULTED(int, of_path(what, path), real(path, status));                      \
  }
STAT(stat, "stat", stat)
STAT(lstat, "lstat", stat)
STAT(statfs, "statfs", statfs)
#if defined(__GLIBC__)
STAT(stat64, "stat", stat64)
STAT(lstat64, "lstat", stat64)
STAT(statfs64, "statfs", statfs64)

int fstat64(int fd, struct stat64* status) {
  REAL(fstat64);
  FAULTED(int, of_descriptor("fstat", fd), real(fd, status));
}
#endif

int fstat(int fd, struct stat* status) {
  REAL(fstat);
  FAULTED(int, of_descriptor("fstat", fd), real(fd, status));
}

ssize_t readlink(const char* path, char* destination, size_t size) {
  REAL(readlink);
  FAULTED(ssize_t, of_path("readlink", path), real(path, destination, size));
}

#define PREAD(name)                                                             \
  ssize_t name(int fd, void* bytes, size_t size, off_t offset) {                \
    REAL(name);                                                                 \
    FAULTED(ssize_t, of_descriptor("read", fd), real(fd, bytes, PART_OF(size), offset)); \
  }
#define PWRITE(name)                                                            \
  ssize_t name(int fd, const void* bytes, size_t size, off_t offset) {          \
    REAL(name);                                                                 \
    FAULTED(ssize_t, of_descriptor("write", fd), real(fd, bytes, PART_OF(size), offset)); \
  }
ssize_t pread64(int fd, void* bytes, size_t size, off_t offset);
ssize_t pwrite64(int fd, const void* bytes, size_t size, off_t offset);
PREAD(pread)
PREAD(pread64)
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void* bytes, size_t size) {
  REAL(write);
  FAULTED(ssize_t, of_descriptor("write", fd), real(fd, bytes, PART_OF(size)));
}

// Whatever it tells, the descriptor is gone.
int close(int fd) {
  REAL(close);
  struct rule rule = of_descriptor("close", fd);
  if (rule.does == FAIL) rule.does = FAIL_AFTER;
  const int result = real(fd);
  return (int)after(&rule, result, -1);
}

#define OF_DESCRIPTOR(name, what, parameters, arguments)                        \
  int name parameters;                                                          \
  int name parameters {                                                         \
    REAL(name);                                                                 \
    FAULTED(int, of_descriptor(what, fd), real arguments);                      \
  }
OF_DESCRIPTOR(ftruncate, "ftruncate", (int fd, off_t size), (fd, size))
OF_DESCRIPTOR(ftruncate64, "ftruncate", (int fd, off_t size), (fd, size))
OF_DESCRIPTOR(fdatasync, "fdatasync", (int fd), (fd))
OF_DESCRIPTOR(fsync, "fsync", (int fd), (fd))
OF_DESCRIPTOR(flock, "flock", (int fd, int operation), (fd, operation))
OF_DESCRIPTOR(fchmod, "fchmod", (int fd, mode_t mode), (fd, mode))
OF_DESCRIPTOR(fchown, "fchown", (int fd, uid_t user, gid_t group), (fd, user, group))
OF_DESCRIPTOR(posix_fadvise, "fadvise", (int fd, off_t from, off_t size, int advice), (fd, from, size, advice))
OF_DESCRIPTOR(posix_fadvise64, "fadvise", (int fd, off_t from, off_t size, int advice), (fd, from, size, advice))

int rename(const char* from, const char* to) {
  REAL(rename);
  FAULTED(int, of_path("rename", to), real(from, to));
}

int link(const char* from, const char* to) {
  REAL(link);
  FAULTED(int, of_path("link", to), real(from, to));
}

int unlink(const char* path) {
  REAL(unlink);
  FAULTED(int, of_path("unlink", path), real(path));
}

// By number; of these the addon needs one, which the C library of its oldest system lacks.
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  const long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  const long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
#if defined(SYS_statx)
  if (number == SYS_statx && b != 0 && ((const char*)b)[0] == '\0') {
    FAULTED(long, of_descriptor("statx", (int)a), real(number, a, b, c, d, e, f));
  }
#endif
  return real(number, a, b, c, d, e, f);
}
