// Threads on Linux and macOS: POSIX threads.
#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

namespace holdfast {
namespace {

// Enough for one blocked call. The address space is reserved, the memory is not used.
constexpr size_t kStackSize = 128 * 1024;

struct Start {
  void (*run)(void*);
  void* argument;
};

void* Run(void* memory) {
  const Start start = *static_cast<Start*>(memory);
  free(memory);
  start.run(start.argument);
  return nullptr;
}

size_t StackSize() {
  const long minimum = sysconf(_SC_THREAD_STACK_MIN);  // 128 KiB on 64-bit Arm with glibc, and static TLS on top
  const size_t floor = minimum > 0 ? static_cast<size_t>(minimum) : 0;
  return floor >= kStackSize ? floor + kStackSize : kStackSize;
}

// By a clock that nobody sets. macOS has no condition with another clock, but one with a relative time.
#if defined(__APPLE__)
void Initialise(pthread_cond_t* bell) { pthread_cond_init(bell, nullptr); }

int WaitFor(pthread_cond_t* bell, pthread_mutex_t* mutex, const timespec& time) {
  return pthread_cond_timedwait_relative_np(bell, mutex, &time);
}
#else
void Initialise(pthread_cond_t* bell) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(bell, &attributes);
  pthread_condattr_destroy(&attributes);
}

int WaitFor(pthread_cond_t* bell, pthread_mutex_t* mutex, const timespec& time) {
  constexpr long kSecond = 1000000000L;
  timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += time.tv_sec + (end.tv_nsec + time.tv_nsec) / kSecond;
  end.tv_nsec = (end.tv_nsec + time.tv_nsec) % kSecond;
  return pthread_cond_timedwait(bell, mutex, &end);
}
#endif

timespec Time(int milliseconds) { return {milliseconds / 1000, (milliseconds % 1000) * 1000000L}; }

}  // namespace

void Mutex::Lock() { pthread_mutex_lock(&mutex_); }

void Mutex::Unlock() { pthread_mutex_unlock(&mutex_); }

Bell::Bell() { Initialise(&bell_); }

Bell::~Bell() { pthread_cond_destroy(&bell_); }

void Bell::Ring() { pthread_cond_broadcast(&bell_); }

bool Bell::Wait(Mutex& mutex, int milliseconds) {
  return WaitFor(&bell_, &mutex.mutex_, Time(milliseconds)) != ETIMEDOUT;
}

bool StartDetachedThread(void (*run)(void*), void* argument) {
  Start* start = static_cast<Start*>(malloc(sizeof(Start)));
  if (start == nullptr) return false;
  *start = {run, argument};

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, StackSize());

  // A thread inherits the mask of its creator: signals stay with Node's threads from the first instruction on.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, Run, start) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  pthread_attr_destroy(&attributes);
  if (!started) free(start);
  return started;
}

void Pause(int milliseconds) {
  const timespec pause = Time(milliseconds);
  nanosleep(&pause, nullptr);
}

// On macOS Node's own clock goes on while the machine sleeps; this one does not, and so is never ahead of it.
#if defined(__APPLE__)
constexpr clockid_t kClock = CLOCK_UPTIME_RAW;
#else
constexpr clockid_t kClock = CLOCK_MONOTONIC;
#endif

uint64_t Now() {
  timespec now;
  clock_gettime(kClock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec) + 1;
}

void PinLibrary() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&PinLibrary), &info) == 0) return;
  dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace holdfast
