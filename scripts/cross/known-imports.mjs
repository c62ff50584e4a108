// What the shipped binaries may ask their system for. A name that is new here is new to every machine the package is
// installed on, and most of them cannot be run where the binaries are built, macOS least of all: before it is added,
// somebody looks up that the oldest supported version of each system has it.
import { createRequire } from 'node:module'

const words = (text) => text.trim().split(/\s+/)

/** Node-API 8, which every supported Node has. */
export const NODE_API = new Set(Object.values(createRequire(import.meta.url)('node-api-headers').symbols.v8).flat())

/** What makes a library an addon. */
export const ENTRY_POINTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']

const POSIX = words(`
  abort calloc free malloc memcmp memcpy memmove memset strcmp strlen strrchr
  clock_gettime close dladdr dlopen fchmod fchown flock fsync ftruncate geteuid link nanosleep open pread pwrite readlink rename
  sysconf unlink write
  pthread_attr_destroy pthread_attr_init pthread_attr_setdetachstate pthread_attr_setstacksize
  pthread_cond_broadcast pthread_cond_destroy pthread_cond_init
  pthread_create pthread_mutex_lock pthread_mutex_unlock pthread_sigmask sigfillset`)

const LINUX = [
  ...POSIX,
  ...words(`
    __errno_location bcmp fdatasync posix_fadvise syscall
    pthread_cond_timedwait pthread_condattr_destroy pthread_condattr_init pthread_condattr_setclock`),
]

/** The stat functions are missing on purpose: see stat_glibc.cc. __gmon_start__ is weak, and defined by profilers only. */
export const GLIBC = new Set([...LINUX, ...words('__fxstat __gmon_start__ __lxstat __xstat')])

export const MUSL = new Set([...LINUX, ...words('fstat lstat stat')])

/**
 * On x64 the plain name is that of the function before inodes had 64 bits. The last line is what compilers put in.
 * macOS cannot be run where these are built: a name that it has not is found here, or by somebody's first lock.
 */
export const LIB_SYSTEM = new Set([
  ...POSIX,
  ...words(`
    __error fcntl fstat fstat$INODE64 getfsstat getfsstat$INODE64 lstat lstat$INODE64 pthread_cond_timedwait_relative_np
    stat stat$INODE64
    __bzero __chkstk_darwin __stack_chk_fail __stack_chk_guard bzero dyld_stub_binder`),
])

/** The second lines of each are asked for by the run-time library that Zig links, which is mingw-w64's. */
export const WINDOWS = {
  'KERNEL32.dll': new Set(
    words(`
      AcquireSRWLockExclusive CloseHandle CreateFileW CreateThread DeleteFileW FindClose FindFirstFileW FlushFileBuffers GetDriveTypeA
      GetFileAttributesW GetFileInformationByHandle GetFileInformationByHandleEx GetFileType GetLastError
      GetLogicalDrives GetModuleHandleExW GetModuleHandleW GetProcAddress InitializeConditionVariable LockFileEx
      MoveFileExW MultiByteToWideChar QueryPerformanceCounter QueryPerformanceFrequency ReadFile ReleaseSRWLockExclusive SetFileInformationByHandle Sleep SleepConditionVariableSRW UnlockFileEx
      WakeAllConditionVariable WriteFile

      DeleteCriticalSection EnterCriticalSection InitializeCriticalSection LeaveCriticalSection TlsGetValue
      VirtualProtect VirtualQuery`),
  ),
  'msvcrt.dll': new Set(
    words(`
      abort calloc free malloc memcmp memcpy memmove memset realloc strcmp strlen wcslen

      __iob_func _amsg_exit _initterm _lock _unlock fwrite strncmp vfprintf`),
  ),
}
