// The door to JavaScript: arguments in, numbers out, no policy.
//
// Node-API's C functions, with node-addon-api for the module's entry alone: its checked calls build error objects
// out of std::string, and with that would need a C++ library at run time. Arguments are checked in TypeScript; what
// arrives here comes from src/kernel/native-kernel.ts only.
#include <napi.h>

#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "lease.h"
#include "thread.h"

namespace holdfast {
namespace {

// The record's place in the lock file: src/record-page.ts knows what is in it.
constexpr size_t kRecordSize = 512;

constexpr size_t kMostArguments = 4;

// What a function of the addon needs: its arguments, and the environment it was made for.
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
  Text(const Call& call, size_t index) {
    const napi_env env = call.env();
    const napi_value value = call.argument(index);
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

// A lease's number and what became of it travel as one number: kind + 8 * lease.
constexpr double kKinds = 8;

napi_value AnswerOf(const Call& call, const Answer& answer) {
  if (answer.kind == Kind::kFailed) call.environment()->last_failure = answer.failure;
  return call.Number(static_cast<double>(answer.kind) + kKinds * static_cast<double>(answer.lease));
}

// isLink(path) → boolean
napi_value IsLink(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  napi_value result = nullptr;
  napi_get_boolean(env, LockFile::IsLink(path.c_str()), &result);
  return result;
}

// create(path, mode, uid, gid) → 0 created, 1 exists already, 2 failed
napi_value CreateLockFile(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  return call.Answer(
      LockFile::Create(path.c_str(), static_cast<uint32_t>(call.Integer(1)), call.Integer(2), call.Integer(3)));
}

// request(path, mode, how) → kind + 8 * lease
napi_value RequestLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  const Mode mode = static_cast<Mode>(call.Integer(1));
  const How how = static_cast<How>(call.Integer(2));
  return AnswerOf(call, Request(call.environment(), path.c_str(), mode, how));
}

// claim(lease, path) → kind + 8 * lease
napi_value ClaimLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 1);
  return AnswerOf(call, Claim(call.environment(), static_cast<uint64_t>(call.Integer(0)), path.c_str()));
}

// drop(lease)
napi_value DropLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  Drop(call.environment(), static_cast<uint64_t>(call.Integer(0)));
  return nullptr;
}

// names(lease, path) → 0 yes, 1 no, 2 failed
napi_value LeaseNames(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 1);
  return call.Answer(Names(call.environment(), static_cast<uint64_t>(call.Integer(0)), path.c_str()));
}

napi_value Content(const Call& call, LockFile* file) {
  char bytes[kRecordSize];
  size_t length = 0;
  if (!file->Read(bytes, sizeof(bytes), &length).done()) return call.Null();
  napi_value text = nullptr;
  napi_create_string_latin1(call.env(), bytes, length, &text);
  return text;
}

// A Uint8Array argument; anything else has no bytes.
struct Bytes {
  Bytes(const Call& call, size_t index) {
    napi_get_typedarray_info(call.env(), call.argument(index), nullptr, &size, &data, nullptr, nullptr);
  }
  char* chars() const { return static_cast<char*>(data); }

  void* data = nullptr;
  size_t size = 0;
};

// read(lease, bytes) → how many bytes there were, -1 where they cannot be read
napi_value ReadLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Bytes bytes(call, 1);
  LockFile* file = FileOf(call.environment(), static_cast<uint64_t>(call.Integer(0)));
  size_t length = 0;
  const bool done = file != nullptr && file->Read(bytes.chars(), bytes.size, &length).done();
  return call.Number(done ? static_cast<double>(length) : -1);
}

// write(lease, bytes) → 0 written, 1 not writable, 2 failed
napi_value WriteLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Bytes bytes(call, 1);
  LockFile* file = FileOf(call.environment(), static_cast<uint64_t>(call.Integer(0)));
  if (file == nullptr || !file->writable()) return call.Number(1);
  return call.Answer(file->Write(bytes.chars(), bytes.size, 0));
}

bool BeginsWith(LockFile* file, const char* prefix, size_t size) {
  char bytes[64];
  size_t length = 0;
  return size <= sizeof(bytes) && file->Read(bytes, size, &length).done() && length == size &&
         memcmp(bytes, prefix, size) == 0;
}

// release(lease, ending, prefix): writes `ending` from byte `prefix` on, only while the file begins with what is before
// that, because others may have put data of their own there; then unlocks and closes. Null writes nothing.
napi_value ReleaseLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  LockFile file = Release(call.environment(), static_cast<uint64_t>(call.Integer(0)));
  const Bytes ending(call, 1);
  const size_t prefix = static_cast<size_t>(call.Integer(2));
  if (ending.size > prefix && BeginsWith(&file, ending.chars(), prefix)) {
    file.Write(ending.chars() + prefix, ending.size - prefix, prefix);
  }
  file.Unlock();
  return nullptr;
}

// identify(path) → a text equal for all names of one file, and ordered alike in all processes; 1 absent, 2 failed
napi_value Identify(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  LockFile file;
  const Result opened = LockFile::Open(path.c_str(), &file);
  if (!opened.done()) return call.Answer(opened);
  const uint64_t parts[] = {file.identity().high, file.identity().low, file.identity().volume};
  char digits[48];
  for (size_t i = 0; i < sizeof(digits); ++i) digits[i] = "0123456789abcdef"[(parts[i / 16] >> (60 - i % 16 * 4)) & 15];
  napi_value text = nullptr;
  napi_create_string_latin1(env, digits, sizeof(digits), &text);
  return text;
}

// probe(path) → { held, content }: whether one shared try was refused, and the content in the same moment; 1 absent,
// 2 failed
napi_value Probe(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  LockFile file;
  const Result opened = LockFile::Open(path.c_str(), &file);
  if (!opened.done()) return call.Answer(opened);
  const Result locked = file.TryLock(Mode::kShared);
  if (locked.outcome == Outcome::kFailed) return call.Answer(locked);

  napi_value answer = nullptr;
  napi_value held = nullptr;
  napi_create_object(env, &answer);
  napi_get_boolean(env, !locked.done(), &held);
  napi_set_named_property(env, answer, "held", held);
  napi_set_named_property(env, answer, "content", Content(call, &file));
  if (locked.done()) file.Unlock();
  return answer;
}

// failure() → [error, call] of the last answer that said "failed"
napi_value Failure(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Result& failure = call.environment()->last_failure;
  napi_value pair = nullptr;
  napi_value name = nullptr;
  napi_create_array_with_length(env, 2, &pair);
  napi_create_string_utf8(env, failure.call, NAPI_AUTO_LENGTH, &name);
  napi_set_element(env, pair, 0, call.Number(failure.error));
  napi_set_element(env, pair, 1, name);
  return pair;
}

napi_property_descriptor Method(const char* name, napi_callback callback, Environment* environment) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_enumerable, environment};
}

// attach(onSettled: (lease) => void) → the functions above, for one user in this thread. Each call makes an
// environment of its own, so that copies of the package that share this library do not see each other's leases.
napi_value Attach(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  Environment* environment = Environment::Open(env, call.argument(0));
  if (environment == nullptr) return nullptr;
  const napi_property_descriptor methods[] = {
      Method("isLink", IsLink, environment),
      Method("create", CreateLockFile, environment), Method("request", RequestLease, environment),
      Method("claim", ClaimLease, environment),      Method("drop", DropLease, environment),
      Method("names", LeaseNames, environment),      Method("read", ReadLease, environment),
      Method("write", WriteLease, environment),      Method("release", ReleaseLease, environment),
      Method("identify", Identify, environment),     Method("probe", Probe, environment),
      Method("failure", Failure, environment),
  };
  napi_value functions = nullptr;
  napi_create_object(env, &functions);
  napi_define_properties(env, functions, sizeof(methods) / sizeof(methods[0]), methods);
  return functions;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  PinLibrary();
  const napi_property_descriptor attach = Method("attach", Attach, nullptr);
  napi_define_properties(env, exports, 1, &attach);
  return exports;
}

}  // namespace
}  // namespace holdfast

static Napi::Object InitHoldfast(Napi::Env env, Napi::Object exports) { return holdfast::Init(env, exports); }

NODE_API_MODULE(holdfast, InitHoldfast)
