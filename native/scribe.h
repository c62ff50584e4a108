// Who makes changes: a few threads of the addon's own. Node's thread pool takes no part, nor does the event loop, which
// may be blocked: neither delays a write, or the unlock after it.
//
// Guarantee: changes that are asked for while there is a thread for each are made at once, so a device that hangs delays
// nobody else's change until it has all 16 threads. An environment that ends keeps no change from being finished that has
// begun; one that has not begun is not made.
// Not guaranteed: any order between changes.
#ifndef HOLDFAST_NATIVE_SCRIBE_H_
#define HOLDFAST_NATIVE_SCRIBE_H_

#include "change.h"

namespace holdfast {

// Takes the change over and answers with its number. The environment is notified of that when it is made; where there is
// no thread to be had, before this returns.
uint64_t Order(Environment* environment, Change* change);

// Gives a finished change back; null where there is none of that number.
Change* Collect(Environment* environment, uint64_t id);

// Under the mutex: nobody waits for its changes any more. Answers with those that are to be deleted, linked.
Change* AbandonAll(const Environment* environment);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_SCRIBE_H_
