// The door to JavaScript for changes to data files (change.h).
#ifndef HOLDFAST_NATIVE_CHANGE_DOOR_H_
#define HOLDFAST_NATIVE_CHANGE_DOOR_H_

#include <node_api.h>

namespace holdfast {

// change(wish) → a number that settles like a wait. The wish is an `AddonWish` of src/kernel/addon.ts.
napi_value OrderChange(napi_env env, napi_callback_info info);

// changed(number) → what came of it, an `AddonReport` of src/kernel/addon.ts; once.
napi_value CollectChange(napi_env env, napi_callback_info info);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_CHANGE_DOOR_H_
