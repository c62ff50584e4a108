// Node-API on Windows, whatever the host program is called: node.exe, electron.exe, an application with Node inside.
//
// An import of "node.exe" would be bound by that file name. Here each function is looked up in the process itself when
// the addon is loaded, as node-gyp's delay-load hook does for MSVC. What is defined here are the very pointers that an
// import library would have the loader fill in, so that nothing else in the addon knows of it.
//
// A function missing here is a link error; a function the host lacks makes LoadLibrary fail, and Node throws.
#include <node_api.h>
#include <string.h>
#include <windows.h>

#define HOLDFAST_NODE_API(EACH)           \
  EACH(napi_add_env_cleanup_hook)         \
  EACH(napi_call_function)                \
  EACH(napi_call_threadsafe_function)     \
  EACH(napi_create_array)                 \
  EACH(napi_create_array_with_length)     \
  EACH(napi_create_arraybuffer)           \
  EACH(napi_create_double)                \
  EACH(napi_create_object)                \
  EACH(napi_create_string_latin1)         \
  EACH(napi_create_string_utf8)           \
  EACH(napi_create_threadsafe_function)   \
  EACH(napi_create_typedarray)            \
  EACH(napi_define_properties)            \
  EACH(napi_get_boolean)                  \
  EACH(napi_get_cb_info)                  \
  EACH(napi_get_named_property)           \
  EACH(napi_get_null)                     \
  EACH(napi_get_typedarray_info)          \
  EACH(napi_get_undefined)                \
  EACH(napi_get_value_bool)               \
  EACH(napi_get_value_int64)              \
  EACH(napi_get_value_string_utf8)        \
  EACH(napi_ref_threadsafe_function)      \
  EACH(napi_set_element)                  \
  EACH(napi_set_named_property)           \
  EACH(napi_throw_error)                  \
  EACH(napi_unref_threadsafe_function)

extern "C" {
#define HOLDFAST_DEFINE(name) decltype(&name) __imp_##name;
HOLDFAST_NODE_API(HOLDFAST_DEFINE)
}

namespace {

struct Import {
  const char* name;
  void* pointer;
};

const Import kImports[] = {
#define HOLDFAST_LIST(name) {#name, &__imp_##name},
    HOLDFAST_NODE_API(HOLDFAST_LIST)
};

// All functions or none: half of them from one module and half from another would be two Nodes.
bool BindTo(HMODULE host) {
  for (const Import& import : kImports) {
    const FARPROC function = GetProcAddress(host, import.name);
    if (function == nullptr) return false;
    memcpy(import.pointer, &function, sizeof(function));
  }
  return true;
}

bool BindToLibrary(const wchar_t* name) {
  const HMODULE library = GetModuleHandleW(name);
  return library != nullptr && BindTo(library);
}

}  // namespace

// Only looks among what is loaded already: nothing here waits for the loader's lock, which is held.
BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  // The program itself; Node built as a library; Node inside NW.js.
  return BindTo(GetModuleHandleW(nullptr)) || BindToLibrary(L"libnode.dll") || BindToLibrary(L"node.dll");
}
