// What a function of the addon is given: its arguments, and the environment it was made for. Nothing is checked here: it
// all comes from src/kernel/.
#ifndef HOLDFAST_NATIVE_CALL_H_
#define HOLDFAST_NATIVE_CALL_H_

#include <node_api.h>
#include <stdlib.h>

#include "environment.h"

namespace holdfast {

constexpr size_t kMostArguments = 4;

class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMostArguments;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, arguments_, nullptr, &data);
    environment_ = static_cast<Environment*>(data);
  }

  napi_env env() const { return env_; }
  Environment* environment() const { return environment_; }
  napi_value argument(size_t index) const { return arguments_[index]; }

  bool Boolean(size_t index) const {
    bool value = false;
    napi_get_value_bool(env_, arguments_[index], &value);
    return value;
  }

  int64_t Integer(size_t index) const {
    int64_t value = 0;
    napi_get_value_int64(env_, arguments_[index], &value);
    return value;
  }

  napi_value Number(double value) const {
    napi_value result = nullptr;
    napi_create_double(env_, value, &result);
    return result;
  }

  napi_value Null() const {
    napi_value result = nullptr;
    napi_get_null(env_, &result);
    return result;
  }

  // 0 done, 1 no (busy, absent or replaced), 2 failed: ask failure().
  napi_value Answer(const Result& result) const {
    if (result.done()) return Number(0);
    if (result.outcome != Outcome::kFailed) return Number(1);
    environment_->last_failure = result;
    return Number(2);
  }

 private:
  napi_env env_;
  napi_value arguments_[kMostArguments] = {};
  Environment* environment_ = nullptr;
};

// A UTF-8 argument. Paths rarely leave the stack.
class Text {
 public:
  Text(const Call& call, size_t index) : Text(call.env(), call.argument(index)) {}
  Text(napi_env env, napi_value value) {
    stack_[0] = '\0';
    size_t length = 0;
    if (napi_get_value_string_utf8(env, value, stack_, sizeof(stack_), &length) != napi_ok) return;
    if (length + 4 < sizeof(stack_)) return;  // shorter than the buffer by a whole character: not cut off
    napi_get_value_string_utf8(env, value, nullptr, 0, &length);
    heap_ = static_cast<char*>(malloc(length + 1));
    if (heap_ == nullptr) abort();
    napi_get_value_string_utf8(env, value, heap_, length + 1, &length);
  }
  ~Text() { free(heap_); }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  const char* c_str() const { return heap_ == nullptr ? stack_ : heap_; }

 private:
  char stack_[1024];
  char* heap_ = nullptr;
};

// A Uint8Array argument; anything else has no bytes.
struct Bytes {
  Bytes(const Call& call, size_t index) : Bytes(call.env(), call.argument(index)) {}
  Bytes(napi_env env, napi_value value) {
    given = napi_get_typedarray_info(env, value, nullptr, &size, &data, nullptr, nullptr) == napi_ok;
  }
  char* chars() const { return static_cast<char*>(data); }

  bool given = false;  // an empty one may have no memory
  void* data = nullptr;
  size_t size = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_CALL_H_
