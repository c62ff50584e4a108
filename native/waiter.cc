#include "waiter.h"

#include "thread.h"

namespace holdfast {
namespace {

void Wait(void* argument) {
  Lease* lease = static_cast<Lease*>(argument);
  Settle(lease, lease->file.WaitLock(lease->mode));
}

}  // namespace

bool StartWaiter(Lease* lease) { return StartDetachedThread(Wait, lease); }

}  // namespace holdfast
