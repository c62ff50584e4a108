#include "change_door.h"

#include "call.h"
#include "scribe.h"

namespace holdfast {
namespace {

// The properties of a wish.
class Wish {
 public:
  Wish(napi_env env, napi_value object) : env_(env), object_(object) {}

  napi_value Property(const char* name) const {
    napi_value value = nullptr;
    napi_get_named_property(env_, object_, name, &value);
    return value;
  }

  uint64_t Number(const char* name) const {
    int64_t value = 0;
    napi_get_value_int64(env_, Property(name), &value);
    return static_cast<uint64_t>(value);
  }

  bool Boolean(const char* name) const {
    bool value = false;
    napi_get_value_bool(env_, Property(name), &value);
    return value;
  }

  Bytes Content(const char* name) const { return Bytes(env_, Property(name)); }

 private:
  const napi_env env_;
  const napi_value object_;
};

// What came of a change, as a JavaScript object.
class Report {
 public:
  explicit Report(napi_env env) : env_(env) { napi_create_object(env, &object_); }

  void Set(const char* name, napi_value value) const { napi_set_named_property(env_, object_, name, value); }

  void Set(const char* name, double number) const {
    napi_value value = nullptr;
    napi_create_double(env_, number, &value);
    Set(name, value);
  }

  void Set(const char* name, bool boolean) const {
    napi_value value = nullptr;
    napi_get_boolean(env_, boolean, &value);
    Set(name, value);
  }

  void Set(const char* name, const char* text) const {
    napi_value value = nullptr;
    napi_create_string_latin1(env_, text, NAPI_AUTO_LENGTH, &value);
    Set(name, value);
  }

  // Null where there is no such file.
  void Set(const char* name, bool there, const FileState& state) const {
    napi_value null = nullptr;
    napi_get_null(env_, &null);
    if (!there) return Set(name, null);
    const Report file(env_);
    file.Set("name", FileName::Of(state).digits);
    file.Set("size", static_cast<double>(state.size));
    file.Set("linked", state.linked);
    Set(name, file.object());
  }

  napi_value object() const { return object_; }

 private:
  const napi_env env_;
  napi_value object_ = nullptr;
};

// A copy: not every host takes memory that is not its own (Electron).
napi_value BytesOf(napi_env env, const Buffer& buffer) {
  napi_value array = nullptr;
  napi_value memory = nullptr;
  void* data = nullptr;
  const size_t size = buffer.size();
  if (napi_create_arraybuffer(env, size, &data, &memory) != napi_ok) return nullptr;
  if (size > 0) memcpy(data, buffer.bytes(), size);
  napi_create_typedarray(env, napi_uint8_array, size, memory, 0, &array);
  return array;
}

}  // namespace

napi_value OrderChange(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Wish wish(env, call.argument(0));
  const Text path(env, wish.Property("path"));
  const Text other(env, wish.Property("other"));
  const Text name(env, wish.Property("name"));
  Change* change = New<Change>(path.c_str(), other.c_str());
  change->task = static_cast<Task>(wish.Number("task"));
  change->expected = static_cast<Expected>(wish.Number("expected"));
  change->synced = wish.Boolean("synced");
  change->folder = wish.Boolean("folder");
  change->carries = wish.Boolean("carries");
  change->forgetful = wish.Boolean("forgetful");
  change->tail = wish.Boolean("tail");
  change->ends = wish.Boolean("ends");
  change->mode = static_cast<int>(wish.Number("mode"));
  change->lease = wish.Number("lease");
  change->from = wish.Number("from");
  change->most = wish.Number("most");
  change->size = wish.Number("size");
  if (strlen(name.c_str()) < sizeof(change->name.digits)) memcpy(change->name.digits, name.c_str(), strlen(name.c_str()));
  const Bytes ending = wish.Content("ending");
  change->ending.Keep({ending.chars(), ending.size, static_cast<size_t>(wish.Number("prefix"))});
  const Bytes bytes = wish.Content("bytes");
  if (bytes.given && !change->bytes.Copy(bytes.data, bytes.size)) {
    Delete(change);
    napi_throw_error(env, "ENOMEM", "holdfast: out of memory");
    return nullptr;
  }
  return call.Number(static_cast<double>(Order(call.environment(), change)));
}

napi_value CollectChange(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  Change* change = Collect(call.environment(), static_cast<uint64_t>(call.Integer(0)));
  if (change == nullptr) return call.Null();
  const Report report(env);
  report.Set("came", static_cast<double>(change->came));
  report.Set("error", static_cast<double>(change->failure.error));
  report.Set("call", change->failure.call == nullptr ? "" : change->failure.call);
  report.Set("ended", change->ended);
  report.Set("undone", change->undone);
  report.Set("before", change->begun, change->before);
  report.Set("after", change->made, change->after);
  report.Set("seen", BytesOf(env, change->seen));
  Delete(change);
  return report.object();
}

}  // namespace holdfast
