// One detached thread, blocked in the kernel for one lease.
//
// Guarantee: it waits without the event loop, without libuv's thread pool and without polling, and it delays neither
// the end of a worker nor of the process: it is never joined, and the library around it stays in memory.
#ifndef HOLDFAST_NATIVE_WAITER_H_
#define HOLDFAST_NATIVE_WAITER_H_

#include "lease.h"

namespace holdfast {

// On true the descriptor of `lease` is the thread's until it settles. False: there is no thread to be had.
bool StartWaiter(Lease* lease);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_WAITER_H_
