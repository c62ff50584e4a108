/* The protocol of holdfast's lock files, for spin. README.md says what is modelled, and how to run it.
   What a configuration takes part in is said with -D: MODES, GIVE_UP, GUARDS, MAX_HOLD, EXTENSIONS, CHANGES, TRY_ACQUIRE, TURNS,
   FAULTS=<how many>, REPLACE, CRASH, ENVIRONMENT_END, BLOCKED_LOOP; ROUNDS=<how many requests each lane makes>, endless without;
   MUTANT_<name> plants a bug. */

#include "state.pml"
#include "kernel.pml"
#include "environment.pml"
#include "world.pml"

#ifdef LIVENESS
/* Under weak fairness, where each lane makes so many requests. Holders end; that waiters are granted then, and that an orphan
   ends with all its lease, follows. */
#define WAITS_PATIENTLY(l) (lane[l] == QUEUED && patient[l])
ltl liveness {
  [] ((WAITS_PATIENTLY(0) -> <> (lane[0] != QUEUED)) && (WAITS_PATIENTLY(2) -> <> (lane[2] != QUEUED)) &&
      (state[0] == ORPHANED -> <> (state[0] != ORPHANED)) && (state[1] == ORPHANED -> <> (state[1] != ORPHANED)))
}
#endif

init {
  byte i = 0;
  atomic {
    do
    :: i < LEASES -> run Waiter(i);
#ifdef MAX_HOLD
       run Limits(i);
#endif
       i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < LANES ->
#ifdef MAX_HOLD
       run Time(i);
#endif
#ifdef CHANGES
       run Change(i);
#endif
       i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < PROCESSES ->
       run Environment(i);
#ifdef MAX_HOLD
       run Watchdog(i);
#endif
#ifdef CRASH
       run Killer(i);
#endif
#ifdef ENVIRONMENT_END
       run Terminator(i);
#endif
#ifdef BLOCKED_LOOP
       run Blocker(i);
#endif
       i++
    :: else -> break
    od;
#ifdef REPLACE
    run Replacer();
#endif
#ifndef LIVENESS
    run Quiet();
#endif
    i = 0
  }
}
