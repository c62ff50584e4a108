// The door to JavaScript: arguments in, numbers out, no policy. That for changes to data files is change_door.cc.
//
// Node-API's C functions, with node-addon-api for the module's entry alone: its checked calls build error objects
// out of std::string, and with that would need a C++ library at run time. Arguments are checked in TypeScript; what
// arrives here comes from src/kernel/native-kernel.ts only.
#include <napi.h>

#include "call.h"
#include "change_door.h"
#include "environment.h"
#include "lease.h"
#include "look.h"
#include "mounts.h"
#include "thread.h"

namespace holdfast {
namespace {

// A lease's number and what became of it travel as one number: kind + 16 * lease.
constexpr double kKinds = 16;

napi_value AnswerOf(const Call& call, const Answer& answer) {
  if (answer.kind == Kind::kFailed) call.environment()->last_failure = answer.failure;
  return call.Number(static_cast<double>(answer.kind) + kKinds * static_cast<double>(answer.lease));
}

napi_value Destination(const Call& call, const Result& looked, const char* text) {
  if (!looked.done()) return call.Answer(looked);
  napi_value destination = nullptr;
  napi_create_string_utf8(call.env(), text, NAPI_AUTO_LENGTH, &destination);
  return destination;
}

// readLink(path) → where it leads, empty if Node must find out; 1 it is no link, 2 failed
napi_value ReadLinkAt(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  Link link;
  return Destination(call, LockFile::ReadLink(path.c_str(), link.destination, sizeof(link.destination)), link.destination);
}

// followLink(path, aside) → as readLink(); failed also where it must not be followed
napi_value FollowLinkAt(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  Link link;
  return Destination(call, FollowLink(path.c_str(), call.Boolean(1), &link), link.destination);
}

// look(path) → kind + 16 * lease, of a look for a link that settles like a wait
napi_value LookAt(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  return AnswerOf(call, RequestLook(call.environment(), path.c_str()));
}

// looked(lease) → as followLink()
napi_value LookedAt(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  char* destination = nullptr;
  const Result looked = Looked(call.environment(), static_cast<uint64_t>(call.Integer(0)), &destination);
  napi_value result = Destination(call, looked, destination);
  free(destination);
  return result;
}

// create(path, target) → 0 created, 1 exists already, 2 failed
napi_value CreateLockFile(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  const Text target(call, 1);
  return call.Answer(LockFile::Create(path.c_str(), target.c_str()));
}

// request(path, mode, how) → kind + 16 * lease
napi_value RequestLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  const Mode mode = static_cast<Mode>(call.Integer(1));
  const How how = static_cast<How>(call.Integer(2));
  return AnswerOf(call, Request(call.environment(), path.c_str(), mode, how));
}

// requestDistant(path, mode, how, target) → kind + 16 * lease
napi_value RequestDistantLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  const Text target(call, 3);
  const Mode mode = static_cast<Mode>(call.Integer(1));
  const How how = static_cast<How>(call.Integer(2));
  return AnswerOf(call, RequestDistant(call.environment(), path.c_str(), target.c_str(), mode, how));
}

// trust(): the volume that the last request found strange is one where calls return.
napi_value TrustVolume(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  call.environment()->Trust();
  return nullptr;
}

// distrust(): what is mounted has changed.
napi_value DistrustVolumes(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  call.environment()->Distrust();
  return nullptr;
}

// claim(lease, path) → kind + 16 * lease
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

// read(lease, bytes) → how many bytes there were, -1 where they cannot be read
napi_value ReadLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Bytes bytes(call, 1);
  size_t length = 0;
  const Result result =
      Read(call.environment(), static_cast<uint64_t>(call.Integer(0)), bytes.chars(), bytes.size, &length);
  return call.Number(result.done() ? static_cast<double>(length) : -1);
}

// write(lease, bytes) → 0 written, 1 must carry no record, 2 failed
napi_value WriteLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Bytes bytes(call, 1);
  return call.Answer(
      Write(call.environment(), static_cast<uint64_t>(call.Integer(0)), bytes.chars(), bytes.size));
}

// release(lease, ending, prefix): an ending of null writes nothing
napi_value ReleaseLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Bytes ending(call, 1);
  Release(call.environment(), static_cast<uint64_t>(call.Integer(0)),
          {ending.chars(), ending.size, static_cast<size_t>(call.Integer(2))});
  return nullptr;
}

// Milliseconds of JavaScript, as nanoseconds. Infinity, and what is beyond any life of a process, is 0: no limit.
uint64_t Nanoseconds(const Call& call, size_t index) {
  constexpr int64_t kLongest = int64_t{100} * 366 * 24 * 3600 * 1000;
  const int64_t milliseconds = call.Integer(index);  // 0 for Infinity
  return milliseconds > kLongest ? 0 : static_cast<uint64_t>(milliseconds) * 1000000u;
}

// limit(lease, milliseconds, ending, prefix) → 0 limited, 1 it has ended, 2 limited, but there is no watchdog
napi_value LimitLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Bytes ending(call, 2);
  const Result result = Limit(call.environment(), static_cast<uint64_t>(call.Integer(0)), Nanoseconds(call, 1),
                              {ending.chars(), ending.size, static_cast<size_t>(call.Integer(3))});
  return call.Number(result.done() ? 0 : result.outcome == Outcome::kBusy ? 2 : 1);
}

// limitWait(lease, grace, rest)
napi_value LimitWaitingLease(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  LimitWait(call.environment(), static_cast<uint64_t>(call.Integer(0)), Nanoseconds(call, 1), Nanoseconds(call, 2));
  return nullptr;
}

// enterGuard(lease) → whether it was entered
napi_value EnterLeaseGuard(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  napi_value entered = nullptr;
  napi_get_boolean(env, EnterGuard(call.environment(), static_cast<uint64_t>(call.Integer(0))), &entered);
  return entered;
}

// exitGuard(lease)
napi_value ExitLeaseGuard(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  ExitGuard(call.environment(), static_cast<uint64_t>(call.Integer(0)));
  return nullptr;
}

// identify(path, target, aside) → a text equal for all names of one file, and ordered alike in all processes; 2 failed
napi_value IdentifyFile(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  const Text target(call, 1);
  Identity identity;
  const Result looked = Identify(path.c_str(), target.c_str(), call.Boolean(2), &identity);
  if (!looked.done()) return call.Answer(looked);
  const uint64_t parts[] = {identity.high, identity.low, identity.volume};
  char digits[48];
  for (size_t i = 0; i < sizeof(digits); ++i) digits[i] = "0123456789abcdef"[(parts[i / 16] >> (60 - i % 16 * 4)) & 15];
  napi_value text = nullptr;
  napi_create_string_latin1(env, digits, sizeof(digits), &text);
  return text;
}

napi_value Content(const Call& call, const Sight& sight) {
  if (!sight.readable) return call.Null();
  napi_value text = nullptr;
  napi_create_string_latin1(call.env(), sight.content, sight.length, &text);
  return text;
}

// peek(path, aside) → the content, null where it cannot be read; 1 absent, 2 failed
napi_value PeekAt(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  Sight sight;
  const Result looked = Peek(path.c_str(), call.Boolean(1), &sight);
  return looked.done() ? Content(call, sight) : call.Answer(looked);
}

// probe(path, aside) → { held, content }: whether one shared try was refused, and the content in the same moment;
// 1 absent, 2 failed
napi_value ProbeAt(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Text path(call, 0);
  Sight sight;
  const Result looked = Probe(path.c_str(), call.Boolean(1), &sight);
  if (!looked.done()) return call.Answer(looked);
  napi_value answer = nullptr;
  napi_value held = nullptr;
  napi_create_object(env, &answer);
  napi_get_boolean(env, sight.held, &held);
  napi_set_named_property(env, answer, "held", held);
  napi_set_named_property(env, answer, "content", Content(call, sight));
  return answer;
}

// A list of JavaScript objects under way.
struct MountList {
  napi_env env;
  napi_value array;
  uint32_t length;
};

void AddMount(void* context, const Mount& mount) {
  MountList* list = static_cast<MountList*>(context);
  napi_value entry = nullptr;
  napi_create_object(list->env, &entry);
  const struct {
    const char* name;
    const char* text;
  } texts[] = {{"point", mount.point}, {"type", mount.type}, {"source", mount.source}};
  for (const auto& text : texts) {
    napi_value value = nullptr;
    napi_create_string_utf8(list->env, text.text, NAPI_AUTO_LENGTH, &value);
    napi_set_named_property(list->env, entry, text.name, value);
  }
  napi_set_element(list->env, list->array, list->length++, entry);
}

// mounts() → [{ point, type, source }]; empty on Linux, which tells more in /proc/self/mountinfo
napi_value Mounts(napi_env env, napi_callback_info) {
  MountList list = {env, nullptr, 0};
  napi_create_array(env, &list.array);
  ForEachMount(AddMount, &list);
  return list.array;
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
// environment of its own, so that copies of the package that share this library do not see each other's leases. An error's
// number where there is no memory for one.
napi_value Attach(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  Environment* environment = Environment::Open(env, call.argument(0));
  if (environment == nullptr) return call.Number(kOutOfMemory);
  const napi_property_descriptor methods[] = {
      Method("change", OrderChange, environment),
      Method("changed", CollectChange, environment),
      Method("claim", ClaimLease, environment),
      Method("create", CreateLockFile, environment),
      Method("distrust", DistrustVolumes, environment),
      Method("drop", DropLease, environment),
      Method("enterGuard", EnterLeaseGuard, environment),
      Method("exitGuard", ExitLeaseGuard, environment),
      Method("failure", Failure, environment),
      Method("followLink", FollowLinkAt, environment),
      Method("identify", IdentifyFile, environment),
      Method("limit", LimitLease, environment),
      Method("limitWait", LimitWaitingLease, environment),
      Method("look", LookAt, environment),
      Method("looked", LookedAt, environment),
      Method("mounts", Mounts, environment),
      Method("names", LeaseNames, environment),
      Method("peek", PeekAt, environment),
      Method("probe", ProbeAt, environment),
      Method("read", ReadLease, environment),
      Method("readLink", ReadLinkAt, environment),
      Method("release", ReleaseLease, environment),
      Method("request", RequestLease, environment),
      Method("requestDistant", RequestDistantLease, environment),
      Method("trust", TrustVolume, environment),
      Method("write", WriteLease, environment),
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
