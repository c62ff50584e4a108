/* What happens to processes and files from outside, and what must be true when nothing can happen any more. */

#ifdef CHANGES
/* change.cc, scribe.cc: a change to a data file, on a thread of its own, under the hold of lane l (rule 13). It may be the
   last thing that needs an exclusive hold: then it ends the lease as well. */
proctype Change(byte l) {
  byte s = NONE;
  bool ends = false;
end:
  do
  :: atomic { guard[l] == ORDERED ->
       s = lane_lease[l];
       if
       :: state[s] == HELD && limit[s] != OVERDUE ->
            MUST(NoGuardAfterEnd, descriptor[s] == LOCKED);
            guards[s]++;
            guard[l] = CHANGING;
            MUST(Exclusion, NO_CLASH(l));
            ends = (spent[lane_queue[l]] && mode[l] == EXCLUSIVE)
       :: else -> guard[l] = CHANGED
       fi
     }
  :: atomic { guard[l] == CHANGING ->
       if
       :: state[s] == HELD && !ends -> guards[s]--; guard[l] = CHANGED; s = NONE
       :: else ->
            if
            :: lane[l] != OVER -> late[l] = true
            :: else
            fi;
            state[s] = TAKEN;
            owned[s] = false;
            guard[l] = LETTING_CHANGE_GO
       fi
     }
  :: atomic { guard[l] == LETTING_CHANGE_GO ->
       unlock(s);
       forget(s);
       s = NONE;
       ends = false;
       if
       :: lane[l] == OVER -> guard[l] = NO_GUARD; late[l] = false; mode[l] = EXCLUSIVE; has_deadline[l] = false; lane_lease[l] = NONE; lane_queue[l] = NONE
       :: else -> guard[l] = CHANGED
       fi
     }
  od
}
#endif

#ifdef REPLACE
/* Somebody deletes the lock file and another one is made at its path, once. */
proctype Replacer() {
end:
  if
  :: named == 0 -> named = 1
  fi
}
#endif

#ifdef CRASH
/* One process is killed at any moment. The system closes its descriptors; nothing else of it is left. */
proctype Killer(byte p) {
  byte s = 0;
end:
  atomic {
    deaths > 0 -> deaths--;
    crashed[p] = true;
    at[p] = GONE;
    s = FIRST_LEASE;
    do
    :: s < END_OF_LEASES ->
         thread[s] = NO_THREAD;
         notice[s] = false;
         state[s] = FREE;
#ifndef MUTANT_DESCRIPTOR_INHERITED
         kernel_unlock(s);
#endif
         forget(s);
         s++
    :: else -> break
    od;
    watchdog_has[p] = NONE;
    forget_environment();
    guard[MY_LANE(0)] = NO_GUARD;
    guard[MY_LANE(1)] = NO_GUARD;
    end_lane_with_environment(MY_LANE(0));
    end_lane_with_environment(MY_LANE(1));
    s = 0
  }
}
#endif

#ifdef ENVIRONMENT_END
/* worker.terminate(), process.exit(): JavaScript stops between any two native calls, and the clean-up hook runs. The
   process lives on, and its threads. */
proctype Terminator(byte p) {
end:
  atomic { deaths > 0 && at[p] != GONE && at[p] != STUCK -> deaths--; ending[p] = true }
}
#endif

#ifdef BLOCKED_LOOP
/* An event loop that never turns again: everything in this configuration has a limit, so the watchdog frees it. */
proctype Blocker(byte p) {
end:
  atomic { deaths > 0 && at[p] == LOOP && !GUARD_OPEN(MY_LANE(0)) && !GUARD_OPEN(MY_LANE(1)) -> deaths--; at[p] = STUCK }
}
#endif

#define LANE_IS_DONE(l) (lane[l] == OVER || at[(l) / LANES_EACH] == STUCK)
#define SETTLED(p) (expected[p] == 0 || at[p] == STUCK)
#define AT_REST(p) (at[p] == LOOP || at[p] == GONE || at[p] == STUCK)

/* When nothing can happen any more: nobody waits, for waiters that nobody rejected were granted when holders ended; and
   nothing is held or waited for in the kernel, for orphans let go. Lanes may stop asking at any time, so that whoever waits
   must get the lock without anybody's further request. */
proctype Quiet() {
  timeout ->
  atomic {
    MUST(NoDeadlock, AT_REST(0) && AT_REST(1));
    MUST(NothingHeldByNobody, !(LANE_IS_DONE(0) && LANE_IS_DONE(1) && LANE_IS_DONE(2) && LANE_IS_DONE(3) &&
                                (exclusive_locks[0] > 0 || shared_locks[0] > 0)));
#ifdef REPLACE
    MUST(NothingHeldByNobody, !(LANE_IS_DONE(0) && LANE_IS_DONE(1) && LANE_IS_DONE(2) && LANE_IS_DONE(3) &&
                                (exclusive_locks[1] > 0 || shared_locks[1] > 0)));
#endif
    MUST(EveryWaiterGranted, LANE_IS_DONE(0) && LANE_IS_DONE(1) && LANE_IS_DONE(2) && LANE_IS_DONE(3));
    MUST(LoopNotKeptAlive, SETTLED(0) && SETTLED(1))
  }
}
