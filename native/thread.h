// The few things besides locks that the operating system is asked for: a mutex, a bell, a detached thread, a clock, a
// library that stays in memory. Written per system, like lock.h, so that the addon needs no C++ library at run time.
#ifndef HOLDFAST_NATIVE_THREAD_H_
#define HOLDFAST_NATIVE_THREAD_H_

#include <stdint.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#endif

namespace holdfast {

// Usable from static initialisation to the last instruction of the process: no constructor that runs code, no
// destructor, because detached threads outlive exit().
class Mutex {
 public:
  void Lock();
  void Unlock();

 private:
  friend class Bell;
#if defined(_WIN32)
  SRWLOCK mutex_ = SRWLOCK_INIT;
#else
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
#endif
};

class MutexGuard {
 public:
  explicit MutexGuard(Mutex& mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexGuard() { mutex_.Unlock(); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;

 private:
  Mutex& mutex_;
};

// What one thread waits for and another tells, under one mutex.
class Bell {
 public:
  Bell();
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  void Ring();

  // Leaves the mutex meanwhile. Returns at a ring, sometimes without one, and at the latest when the time has passed:
  // the caller looks again at what it waits for. False: the time has passed.
  bool Wait(Mutex& mutex, int milliseconds);

 private:
#if defined(_WIN32)
  CONDITION_VARIABLE bell_;
#else
  pthread_cond_t bell_;
#endif
};

// Starts a detached thread with a small stack and every signal blocked; false when there is no thread to be had.
bool StartDetachedThread(void (*run)(void*), void* argument);

void Pause(int milliseconds);

// Nanoseconds by a clock that nobody sets, never 0. It is not ahead of the clock that JavaScript reads: what has passed
// here has passed there.
uint64_t Now();

// Keeps this library mapped for ever: a worker that ends would unmap it while a thread is still inside.
void PinLibrary();

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_THREAD_H_
