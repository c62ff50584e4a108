// One JavaScript environment: the main thread, or a worker. What the registry needs to know of it is how to tell its
// event loop that a wait has settled, and when it ends.
#ifndef HOLDFAST_NATIVE_ENVIRONMENT_H_
#define HOLDFAST_NATIVE_ENVIRONMENT_H_

#include <node_api.h>
#include <stdint.h>

#include "lock.h"

namespace holdfast {

class Environment {
 public:
  // Null where there is no memory for it, here or in Node.
  static Environment* Open(napi_env env, napi_value on_settled);

  // From any thread, under the registry's mutex. False when the event loop takes no more notices.
  bool Notify(uint64_t lease);

  // A wait that is wanted keeps the event loop alive; an orphan does not. On the environment's thread.
  void Expect();
  void Settled();

  // Whether it was found out what filesystem this is. One that is not trusted yet is remembered for Trust().
  bool Trusts(uint64_t volume);
  void Trust();
  void Distrust();  // all of them

  // What the last call that answered kFailed failed with.
  Result last_failure;

 private:
  static constexpr int kMostVolumes = 64;

  static void Close(void* environment);
  static void Deliver(napi_env env, napi_value on_settled, void* context, void* lease);

  napi_env env_ = nullptr;
  napi_threadsafe_function notices_ = nullptr;
  int expected_ = 0;
  uint64_t trusted_[kMostVolumes] = {};  // 0 is no volume
  int next_trusted_ = 0;
  uint64_t strange_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_ENVIRONMENT_H_
