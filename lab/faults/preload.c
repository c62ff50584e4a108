// Faults at exact calls of the lock side, in a library that is loaded before the C library. It counts over all threads
// what is asked of the system for the files of one folder, and what the addon asks for besides (threads, memory), and fails
// the n-th call, or that and the ones after it, or lets it do a part.
//
// Unlike test/faults/preload.c, which another process steers to stop and kill a writer, this one is steered from inside of
// the process that it is loaded into: thousands of cases go through one process, each of them armed and disarmed by a write
// to the file that is mapped here. The layout is that of faults.ts.
//
// Guarantee: close() always closes, whatever it answers, as on Linux. Every other call that fails is not made.
// Not seen: calls that the C library makes within itself (the stack of a thread, the reading of a folder).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

// Where a header makes one name of two, both are still symbols.
#undef open64
#undef openat64
#undef stat64
#undef lstat64
#undef fstat64
#undef pread64
#undef pwrite64
#undef statfs64

enum { kLines = 4000, kLine = 64 };

// Which calls are counted. A transfer is a read or a write, which does `most` bytes at the most.
enum { FILES = 1, THREADS, TRANSFERS, MEMORY };

struct control {
  int32_t armed;
  int32_t family;
  int32_t at;     // the first call that fails, counted from 1; 0: none
  int32_t times;  // how many of them; 0: all from then on
  int32_t error;
  int32_t most;
  int32_t calls;
  int32_t fired;
  int32_t unused[8];
  char lines[kLines][kLine];
};

static struct control* control;
static const char* folder;
static size_t folder_size;
static const char* mounts;

#define REAL(name)                                                        \
  static __typeof__(&name) real;                                          \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static long system_call(long number, long a, long b, long c, long d) {
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  return real(number, a, b, c, d);
}

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("HOLDFAST_LAB_FAULTS");
  folder = getenv("HOLDFAST_LAB_FOLDER");
  mounts = getenv("HOLDFAST_LAB_MOUNTS");
  if (path == NULL || folder == NULL) return;
  folder_size = strlen(folder);
  const long fd = system_call(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void* memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
  system_call(SYS_close, fd, 0, 0, 0);
  if (memory != MAP_FAILED) control = memory;
}

static int counts(int family) {
  return control != NULL && __atomic_load_n(&control->armed, __ATOMIC_SEQ_CST) != 0 && control->family == family;
}

// Counts a call, and says whether it is one of those that fail.
static int fails(const char* call, const char* name) {
  const int32_t turn = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
  if (turn <= kLines) snprintf(control->lines[turn - 1], kLine, "%s %s", call, name);
  const int32_t at = control->at, times = control->times;
  if (at == 0 || turn < at || (times != 0 && turn >= at + times)) return 0;
  __atomic_add_fetch(&control->fired, 1, __ATOMIC_SEQ_CST);
  return 1;
}

static const char* in_folder(const char* path) {
  if (strncmp(path, folder, folder_size) != 0) return NULL;
  if (path[folder_size] == '\0') return ".";
  return path[folder_size] == '/' ? path + folder_size + 1 : NULL;
}

static int path_fails(const char* call, const char* path) {
  if (!counts(FILES) || path == NULL) return 0;
  const int error = errno;
  const char* name = in_folder(path);
  const int answer = name != NULL && fails(call, name);
  errno = answer ? control->error : error;
  return answer;
}

// The descriptor's file by the name it has now: no table of ours could miss a descriptor that was given out again.
static int descriptor_fails_in(int family, const char* call, int fd) {
  if (!counts(family)) return 0;
  const int error = errno;
  char link[32], path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const long size = system_call(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, sizeof(path) - 1);
  int answer = 0;
  if (size >= 0) {
    path[size] = '\0';
    const char* name = in_folder(path);
    answer = name != NULL && fails(call, name);
  }
  errno = answer ? control->error : error;
  return answer;
}

static int descriptor_fails(const char* call, int fd) { return descriptor_fails_in(FILES, call, fd); }

static size_t part_of(size_t size, const char* call, int fd) {
  if (!descriptor_fails_in(TRANSFERS, call, fd)) return size;
  const size_t most = (size_t)control->most;
  return size < most ? size : most;
}

// Libraries that asked for something so far. They are never unloaded; to ask the C library each time would take long.
struct module {
  uintptr_t begin, end;
  int is_addon;
};
static struct module modules[64];
static int module_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct search {
  uintptr_t address;
  struct module found;
};

static int look_at(struct dl_phdr_info* info, size_t size, void* memory) {
  (void)size;
  struct search* search = memory;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)* part = &info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + part->p_vaddr, end = begin + part->p_memsz;
    if (part->p_type != PT_LOAD || search->address < begin || search->address >= end) continue;
    static const char ending[] = "holdfast.node";
    const size_t length = strlen(info->dlpi_name), tail = sizeof(ending) - 1;
    const int is_addon = length >= tail && strcmp(info->dlpi_name + length - tail, ending) == 0;
    search->found = (struct module){begin, end, is_addon};
    return 1;
  }
  return 0;
}

static int is_addon(const void* caller) {
  struct search search = {(uintptr_t)caller, {0, 0, 0}};
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < module_count; ++i) {
    if (search.address < modules[i].begin || search.address >= modules[i].end) continue;
    pthread_mutex_unlock(&mutex);
    return modules[i].is_addon;
  }
  if (dl_iterate_phdr(look_at, &search) != 0 && module_count < 64) modules[module_count++] = search.found;
  pthread_mutex_unlock(&mutex);
  return search.found.is_addon;
}

// Whether it is the addon that asks: Node's own threads and memory are not the lock side.
static int addon_fails(int family, const char* call, const void* caller) {
  if (!counts(family)) return 0;
  const int error = errno;
  const int answer = is_addon(caller) && fails(call, "");
  errno = error;
  return answer;
}

static const char* open_call(int flags) { return (flags & O_CREAT) != 0 ? "create" : "open"; }

// What is mounted is what a file says, so that a folder passes for one of a server.
static const char* instead_of(const char* path) {
  return mounts != NULL && path != NULL && strcmp(path, "/proc/self/mountinfo") == 0 ? mounts : path;
}

#define MODE                                      \
  va_list list;                                   \
  va_start(list, flags);                          \
  const mode_t mode = va_arg(list, mode_t);       \
  va_end(list)

#define OPEN(name)                                                    \
  int name(const char* path, int flags, ...);                         \
  int name(const char* path, int flags, ...) {                        \
    REAL(name);                                                       \
    MODE;                                                             \
    if (path_fails(open_call(flags), path)) return -1;                \
    return real(instead_of(path), flags, mode);                       \
  }
#define OPENAT(name)                                                  \
  int name(int at, const char* path, int flags, ...);                 \
  int name(int at, const char* path, int flags, ...) {                \
    REAL(name);                                                       \
    MODE;                                                             \
    if (path_fails(open_call(flags), path)) return -1;                \
    return real(at, instead_of(path), flags, mode);                   \
  }
OPEN(open)
OPENAT(openat)
#if defined(__GLIBC__)
OPEN(open64)
OPENAT(openat64)
#endif

#define OF_PATH(name, what, type)                                     \
  int name(const char* path, struct type* status);                    \
  int name(const char* path, struct type* status) {                   \
    REAL(name);                                                       \
    return path_fails(what, path) ? -1 : real(path, status);          \
  }
OF_PATH(stat, "stat", stat)
OF_PATH(lstat, "lstat", stat)
OF_PATH(statfs, "statfs", statfs)
#if defined(__GLIBC__)
OF_PATH(stat64, "stat", stat64)
OF_PATH(lstat64, "lstat", stat64)
OF_PATH(statfs64, "statfs", statfs64)
#endif

// Node asks for what statx() tells by the call's number.
long syscall(long number, ...);
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  const long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  const long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
#if defined(SYS_statx)
  if (number == SYS_statx && path_fails("statx", (const char*)b)) return -1;
#endif
  return real(number, a, b, c, d, e, f);
}

#if defined(__GLIBC__)
int statx(int at, const char* path, int flags, unsigned int mask, struct statx* status);
int statx(int at, const char* path, int flags, unsigned int mask, struct statx* status) {
  REAL(statx);
  return path_fails("statx", path) ? -1 : real(at, path, flags, mask, status);
}
#endif

ssize_t readlink(const char* path, char* destination, size_t size) {
  REAL(readlink);
  return path_fails("readlink", path) ? -1 : real(path, destination, size);
}

#define OF_DESCRIPTOR(name, what, parameters, arguments)              \
  int name parameters;                                                \
  int name parameters {                                               \
    REAL(name);                                                       \
    return descriptor_fails(what, fd) ? -1 : real arguments;          \
  }
OF_DESCRIPTOR(fstat, "fstat", (int fd, struct stat* status), (fd, status))
#if defined(__GLIBC__)
OF_DESCRIPTOR(fstat64, "fstat", (int fd, struct stat64* status), (fd, status))
#endif
OF_DESCRIPTOR(fchmod, "fchmod", (int fd, mode_t mode), (fd, mode))
OF_DESCRIPTOR(fchown, "fchown", (int fd, uid_t user, gid_t group), (fd, user, group))
OF_DESCRIPTOR(ftruncate, "ftruncate", (int fd, off_t size), (fd, size))
OF_DESCRIPTOR(fsync, "fsync", (int fd), (fd))
OF_DESCRIPTOR(fdatasync, "fdatasync", (int fd), (fd))

// A try, a wait and an unlock are three different calls to a lock.
int flock(int fd, int operation) {
  REAL(flock);
  const char* call = "flock-wait";
  if ((operation & LOCK_NB) != 0) call = "flock-try";
  if ((operation & LOCK_UN) != 0) call = "unlock";
  return descriptor_fails(call, fd) ? -1 : real(fd, operation);
}

int close(int fd) {
  REAL(close);
  const int failing = descriptor_fails("close", fd);
  const int result = real(fd);
  if (!failing) return result;
  errno = control->error;
  return -1;
}

#define PREAD(name)                                                               \
  ssize_t name(int fd, void* bytes, size_t size, off_t offset);                   \
  ssize_t name(int fd, void* bytes, size_t size, off_t offset) {                  \
    REAL(name);                                                                   \
    if (descriptor_fails("read", fd)) return -1;                                  \
    return real(fd, bytes, part_of(size, "read", fd), offset);                    \
  }
#define PWRITE(name)                                                              \
  ssize_t name(int fd, const void* bytes, size_t size, off_t offset);             \
  ssize_t name(int fd, const void* bytes, size_t size, off_t offset) {            \
    REAL(name);                                                                   \
    if (descriptor_fails("write", fd)) return -1;                                 \
    return real(fd, bytes, part_of(size, "write", fd), offset);                   \
  }
PREAD(pread)
PWRITE(pwrite)
#if defined(__GLIBC__)
PREAD(pread64)
PWRITE(pwrite64)
#endif

ssize_t read(int fd, void* bytes, size_t size) {
  REAL(read);
  if (descriptor_fails("read", fd)) return -1;
  return real(fd, bytes, part_of(size, "read", fd));
}

ssize_t write(int fd, const void* bytes, size_t size) {
  REAL(write);
  if (descriptor_fails("write", fd)) return -1;
  return real(fd, bytes, part_of(size, "write", fd));
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  REAL(pthread_create);
  if (addon_fails(THREADS, "thread", __builtin_return_address(0))) return control->error;
  return real(thread, attributes, run, argument);
}

#if defined(__GLIBC__)
// The C library's own name: looking for the next one asks for memory itself.
extern void* __libc_malloc(size_t size);

void* malloc(size_t size) {
  if (addon_fails(MEMORY, "malloc", __builtin_return_address(0))) {
    errno = ENOMEM;
    return NULL;
  }
  return __libc_malloc(size);
}
#endif
