#include "waiter.h"

#include "distant.h"
#include "thread.h"

namespace holdfast {
namespace {

// A thread that ends gives its stack back, which interrupts every processor that runs this process, just when one wakes
// up to take the grant. Ending a little later makes the way from unlock to grant shorter: bench/rows/4-hand-over.mjs.
constexpr int kLingerMilliseconds = 2;

void Wait(void* argument) {
  Lease* lease = static_cast<Lease*>(argument);
  if (lease->distant == nullptr) {
    Settle(lease, lease->file.WaitLock(lease->mode));
  } else if (lease->distant->how == How::kLook) {
    LookForLink(lease);
  } else {
    WaitForDistant(lease);
  }
  Pause(kLingerMilliseconds);
}

}  // namespace

bool StartWaiter(Lease* lease) { return StartDetachedThread(Wait, lease); }

}  // namespace holdfast
