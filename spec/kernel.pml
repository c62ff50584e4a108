/* The kernel's part, and the threads that are not an environment's: waiters, the watchdog, changes.

   flock: any number of shared locks on a file, or one exclusive one. Whoever waits may be next: the model is for every
   order, also for unfair ones. */

#ifdef MUTANT_NO_FLOCK
#define COMPATIBLE(m, f) true
#else
#define COMPATIBLE(m, f) (exclusive_locks[f] == 0 && ((m) == SHARED || shared_locks[f] == 0))
#endif

inline lock(s) {
  descriptor[s] = LOCKED;
  if
  :: lease_mode[s] == EXCLUSIVE -> exclusive_locks[file[s]]++
  :: else -> shared_locks[file[s]]++
  fi
}

inline kernel_unlock(s) {
  if
  :: descriptor[s] == LOCKED && lease_mode[s] == EXCLUSIVE -> exclusive_locks[file[s]]--
  :: descriptor[s] == LOCKED && lease_mode[s] == SHARED -> shared_locks[file[s]]--
  :: else
  fi;
  descriptor[s] = CLOSED
}

#define LANE_RELIES(l, s) (lane_lease[l] == s && IN_USE(l))
#define LANE_GUARDS(l, s) (lane_lease[l] == s && GUARD_OPEN(l))

/* Unlock and close, by whoever took the lease out of the tables (rule 2): so nobody guards it, and nobody counts on it. */
inline unlock(s) {
  MUST(UnlockedOnce, descriptor[s] != CLOSED);
  MUST(GuardKeepsLock, !LANE_GUARDS(0, s) && !LANE_GUARDS(1, s) && !LANE_GUARDS(2, s) && !LANE_GUARDS(3, s));
  MUST(HoldHasLock, !LANE_RELIES(0, s) && !LANE_RELIES(1, s) && !LANE_RELIES(2, s) && !LANE_RELIES(3, s));
  kernel_unlock(s)
}

/* Deleted: nothing is remembered of it, so that states that differ in nothing else are one. A notice that is still on its way
   would find nothing. */
inline forget(s) {
  state[s] = FREE;
  notice[s] = false;
  owned[s] = false;
  guards[s] = 0;
  limit[s] = NO_LIMIT;
  grace[s] = false;
  if
  :: descriptor[s] == CLOSED -> lease_mode[s] = EXCLUSIVE; file[s] = 0
  :: else
  fi
}

/* waiter.cc: one thread, blocked in the kernel for one lease, and what it reports (Settle in lease.cc). */
proctype Waiter(byte s) {
  byte p = s / LEASES_EACH;
end:
  do
  :: d_step { thread[s] == BLOCKED && COMPATIBLE(lease_mode[s], file[s]) -> lock(s); thread[s] = ANSWERED }
#ifdef FAULTS
  :: d_step { thread[s] == BLOCKED && faults > 0 -> faults--; thread[s] = ANSWERED }
#endif
  :: atomic { thread[s] == ANSWERED ->
       if
       :: state[s] == WAITING && descriptor[s] == LOCKED ->
            state[s] = GRANTED;
            limit[s] = (grace[s] -> LIMITED : NO_LIMIT);
            grace[s] = false;
#ifndef MUTANT_NOTICE_LOST
            notice[s] = true;
#endif
            thread[s] = NO_THREAD
       :: state[s] == WAITING && descriptor[s] == UNLOCKED ->
            state[s] = FAILED;
            notice[s] = true;
            thread[s] = NO_THREAD
       :: else -> /* nobody wants it: rule 5 */
            state[s] = TAKEN;
            owned[s] = false;
            thread[s] = LETTING_GO
       fi
     }
  :: d_step { thread[s] == LETTING_GO ->
#ifdef MUTANT_ORPHAN_KEEPS_LOCK
       skip;
#else
       unlock(s);
#endif
       thread[s] = NO_THREAD;
       forget(s)
     }
  od
}

#define UNGUARDED(s) (guards[s] == 0)
#ifdef MUTANT_WATCHDOG_IGNORES_GUARD
#undef UNGUARDED
#define UNGUARDED(s) true
#endif
#define WATCHDOG_TAKES(s) (limit[s] == OVERDUE && UNGUARDED(s) && (state[s] == HELD || state[s] == GRANTED))

inline watchdog_take(p, s) {
  watchdog_has[p] = s;
  if
  :: state[s] == GRANTED -> state[s] = LAPSED
#ifdef MUTANT_WATCHDOG_LEAVES_LEASE
  :: else /* the lease stays in the tables for others to end */
#else
  :: else -> state[s] = TAKEN; owned[s] = false
#endif
  fi
}

/* watchdog.cc, Watch: takes an overdue lease under the mutex, unlocks it outside (rules 11 and 12). */
proctype Watchdog(byte p) {
end:
  do
  :: d_step { !crashed[p] && watchdog_has[p] == NONE && WATCHDOG_TAKES(p * LEASES_EACH) ->
       watchdog_take(p, p * LEASES_EACH) }
  :: d_step { !crashed[p] && watchdog_has[p] == NONE && WATCHDOG_TAKES(p * LEASES_EACH + 1) ->
       watchdog_take(p, p * LEASES_EACH + 1) }
#if LEASES_EACH > 2
  :: d_step { !crashed[p] && watchdog_has[p] == NONE && WATCHDOG_TAKES(p * LEASES_EACH + 2) ->
       watchdog_take(p, p * LEASES_EACH + 2) }
#endif
#if LEASES_EACH > 3
  :: d_step { !crashed[p] && watchdog_has[p] == NONE && WATCHDOG_TAKES(p * LEASES_EACH + 3) ->
       watchdog_take(p, p * LEASES_EACH + 3) }
#endif
  :: d_step { watchdog_has[p] != NONE ->
       unlock(watchdog_has[p]);
       if
       :: state[watchdog_has[p]] != LAPSED -> forget(watchdog_has[p])
       :: else
       fi;
       watchdog_has[p] = NONE
     }
  od
}

#define STILL_EARLY(l, s) (lane_lease[l] == s && !late[l])

/* Time: a deadline passes at any moment. The limit of a held lease is the last deadline of its holds, rounded up, so
   it does not pass before they do; that of a granted one is nobody's deadline. */
proctype Time(byte l) {
end:
  do
  :: d_step { (lane[l] == OPEN || lane[l] == CLOSING) && has_deadline[l] && !late[l] -> late[l] = true }
  od
}

proctype Limits(byte s) {
end:
  do
  :: d_step { limit[s] == LIMITED &&
         (state[s] == GRANTED || (state[s] == HELD && !STILL_EARLY(0, s) && !STILL_EARLY(1, s) &&
                                  !STILL_EARLY(2, s) && !STILL_EARLY(3, s))) ->
       limit[s] = OVERDUE }
  od
}
