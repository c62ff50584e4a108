// The hooks, in the order in which they run and with the thread they run on:
//   Notify   waiter thread          under the registry's mutex, while the environment has leases
//   Deliver  environment's thread   from its event loop, never after Close
//   Close    environment's thread   at the end of a worker or of the process, before Node closes `notices_`
#include "environment.h"

#include <stdlib.h>

#include <new>

#include "lease.h"

namespace holdfast {

Environment* Environment::Open(napi_env env, napi_value on_settled) {
  void* memory = malloc(sizeof(Environment));
  if (memory == nullptr) return nullptr;
  Environment* environment = new (memory) Environment();
  environment->env_ = env;

  napi_value name = nullptr;
  napi_create_string_utf8(env, "holdfast", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, on_settled, nullptr, name, 0, 1, nullptr, nullptr, nullptr, Deliver,
                                      &environment->notices_) != napi_ok) {
    free(environment);
    return nullptr;
  }
  napi_unref_threadsafe_function(env, environment->notices_);
  // After the thread-safe function: hooks run last in, first out, so that Close finds it usable.
  napi_add_env_cleanup_hook(env, Close, environment);
  return environment;
}

bool Environment::Notify(uint64_t lease) {
  // The id travels as the pointer itself: nothing to free when the loop ends before the notice arrives.
  void* data = reinterpret_cast<void*>(static_cast<uintptr_t>(lease));
  return napi_call_threadsafe_function(notices_, data, napi_tsfn_nonblocking) == napi_ok;
}

void Environment::Expect() {
  if (expected_++ == 0) napi_ref_threadsafe_function(env_, notices_);
}

void Environment::Settled() {
  if (--expected_ == 0) napi_unref_threadsafe_function(env_, notices_);
}

bool Environment::Trusts(uint64_t volume) {
  for (const uint64_t trusted : trusted_) {
    if (trusted == volume) return true;
  }
  strange_ = volume;
  return false;
}

void Environment::Trust() {
  trusted_[next_trusted_] = strange_;
  next_trusted_ = (next_trusted_ + 1) % kMostVolumes;
}

void Environment::Distrust() {
  for (uint64_t& trusted : trusted_) trusted = 0;
}

void Environment::Deliver(napi_env env, napi_value on_settled, void*, void* lease) {
  if (env == nullptr) return;
  napi_value receiver;
  napi_value id;
  if (napi_get_undefined(env, &receiver) != napi_ok) return;
  if (napi_create_double(env, static_cast<double>(reinterpret_cast<uintptr_t>(lease)), &id) != napi_ok) return;
  // The status is of no use: a worker that is being terminated refuses every call, and Close frees the lease.
  napi_call_function(env, receiver, on_settled, 1, &id, nullptr);
}

void Environment::Close(void* data) {
  Environment* environment = static_cast<Environment*>(data);
  ReleaseAll(environment);
  free(environment);
}

}  // namespace holdfast
