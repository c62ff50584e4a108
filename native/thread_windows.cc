// Threads on Windows: SRW locks, CreateThread, and the performance counter, which is the clock of libuv too.
#include "thread.h"

#include <stddef.h>
#include <stdlib.h>

namespace holdfast {
namespace {

constexpr SIZE_T kStackSize = 128 * 1024;

struct Start {
  void (*run)(void*);
  void* argument;
};

DWORD WINAPI Run(void* memory) {
  const Start start = *static_cast<Start*>(memory);
  free(memory);
  start.run(start.argument);
  return 0;
}

}  // namespace

void Mutex::Lock() { AcquireSRWLockExclusive(&mutex_); }

void Mutex::Unlock() { ReleaseSRWLockExclusive(&mutex_); }

Bell::Bell() { InitializeConditionVariable(&bell_); }

Bell::~Bell() = default;

void Bell::Ring() { WakeAllConditionVariable(&bell_); }

bool Bell::Wait(Mutex& mutex, int milliseconds) {
  return SleepConditionVariableSRW(&bell_, &mutex.mutex_, static_cast<DWORD>(milliseconds), 0) != 0;
}

bool StartDetachedThread(void (*run)(void*), void* argument) {
  Start* start = static_cast<Start*>(malloc(sizeof(Start)));
  if (start == nullptr) return false;
  *start = {run, argument};
  const HANDLE thread =
      CreateThread(nullptr, kStackSize, Run, start, STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
  if (thread == nullptr) {
    free(start);
    return false;
  }
  CloseHandle(thread);
  return true;
}

void Pause(int milliseconds) { Sleep(static_cast<DWORD>(milliseconds)); }

uint64_t Now() {
  constexpr uint64_t kSecond = 1000000000u;
  LARGE_INTEGER frequency;
  LARGE_INTEGER counter;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&counter);
  const uint64_t ticks = static_cast<uint64_t>(counter.QuadPart);
  const uint64_t each = static_cast<uint64_t>(frequency.QuadPart);
  return ticks / each * kSecond + ticks % each * kSecond / each + 1;
}

void PinLibrary() {
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(reinterpret_cast<void*>(&PinLibrary)), &module);
}

}  // namespace holdfast
