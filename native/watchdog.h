// The watchdog: one thread that ends leases at their limits (lease.h, rule 11), however busy the event loops are.
//
// Guarantee: an overdue lease that nobody guards is freed in milliseconds, as long as the system runs this thread.
// Not guaranteed: that the watchdog is first. The environment ends its overdue holds as well, and either may.
#ifndef HOLDFAST_NATIVE_WATCHDOG_H_
#define HOLDFAST_NATIVE_WATCHDOG_H_

#include <stdint.h>

namespace holdfast {

// Starts the thread, which stays for as long as the process. False: the system has no thread for it.
bool StartWatchdog();

// Under the mutex: there is something to be ended at `limit`, by Now(); 0 is nothing.
void WatchFor(uint64_t limit);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_WATCHDOG_H_
