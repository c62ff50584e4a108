/* One environment: its JavaScript (src/coordination/) and the native calls that run on its thread (native/lease.cc).

   Each turn of the loop below is one native step, with the JavaScript that follows it up to the next one: nobody else
   sees anything of JavaScript but its native calls. "rule n" is one of native/lease.h, "queue rule n" one of file-queue.ts. */

#define MY_LANE(i) (p * LANES_EACH + (i))
#define FIRST_LEASE (p * LEASES_EACH)
#define END_OF_LEASES ((p + 1) * LEASES_EACH)

/* ---- the registry ---- */

#if QUEUES_EACH == 1
#define IN_QUEUE(s) (tenure[p] == s || wait[p] == s)
#else
#define IN_QUEUE(s) (tenure[2 * p] == s || wait[2 * p] == s || tenure[2 * p + 1] == s || wait[2 * p + 1] == s)
#endif
/* Numbers of leases are never used again. Here an entry is, when nobody remembers the lease that had it. */
#define REUSABLE(s) (state[s] == FREE && descriptor[s] == CLOSED && thread[s] == NO_THREAD && \
  watchdog_has[p] != s && !IN_QUEUE(s) && lane_lease[MY_LANE(0)] != s && lane_lease[MY_LANE(1)] != s)

inline new_lease(m) {
  s = FIRST_LEASE;
  do
  :: s < END_OF_LEASES && !REUSABLE(s) -> s++
  :: else -> break
  od;
  MUST(EnoughLeases, s < END_OF_LEASES);
  owned[s] = true;
  lease_mode[s] = m;
  file[s] = opened
}

#ifdef MUTANT_ADOPT_ANY_MODE
#define ADOPTABLE(s) (state[s] == ORPHANED && owned[s] && file[s] == opened)
#else
#define ADOPTABLE(s) (state[s] == ORPHANED && owned[s] && file[s] == opened && lease_mode[s] == mode[f])
#endif

/* FindOrphan and Adopt: rule 4. */
inline adopt() {
  s = FIRST_LEASE;
  do
#ifdef MUTANT_NEVER_ADOPT
  :: true -> s = END_OF_LEASES; break
#else
  :: s < END_OF_LEASES && !ADOPTABLE(s) -> s++
  :: else -> break
#endif
  od;
  if
  :: s < END_OF_LEASES ->
       state[s] = WAITING;
       limit[s] = NO_LIMIT;
       grace[s] = false;
       expected[p]++;
       answer = ANSWER_WAITING
  :: else -> s = NONE
  fi
}

#define WAITS(s) (state[s] == WAITING || state[s] == ORPHANED)
#define TWINS(a, b) (a < END_OF_LEASES && b < END_OF_LEASES && WAITS(a) && WAITS(b) && owned[a] && owned[b] && \
  lease_mode[a] == lease_mode[b] && file[a] == file[b])
/* Rule 4. */
#define ONE_ORPHAN (!TWINS(FIRST_LEASE, FIRST_LEASE + 1) && \
  (LEASES_EACH < 3 || (!TWINS(FIRST_LEASE, FIRST_LEASE + 2) && !TWINS(FIRST_LEASE + 1, FIRST_LEASE + 2))) && \
  (LEASES_EACH < 4 || (!TWINS(FIRST_LEASE, FIRST_LEASE + 3) && !TWINS(FIRST_LEASE + 1, FIRST_LEASE + 3) && \
                       !TWINS(FIRST_LEASE + 2, FIRST_LEASE + 3))))

#define CHANGES_OF(l, s) (lane_lease[l] == s && guard[l] == CHANGING)
#ifdef MUTANT_END_IGNORES_CHANGE
#define BEING_CHANGED(s) false
#else
#define BEING_CHANGED(s) (CHANGES_OF(MY_LANE(0), s) || CHANGES_OF(MY_LANE(1), s))
#endif

/* ---- lanes in their queue ---- */

inline leave_line(l) {
  if
  :: first[k] == l -> first[k] = second[k]; second[k] = NONE
  :: else ->
       if
       :: second[k] == l -> second[k] = NONE
       :: else
       fi
  fi
}

inline forget_lane(l) {
  lane[l] = (HAS_ROUNDS(l) -> IDLE : OVER);
  mode[l] = EXCLUSIVE;
  patient[l] = false;
  has_deadline[l] = false;
  late[l] = false;
  guard[l] = NO_GUARD;
  lane_queue[l] = NONE;
  lane_lease[l] = NONE
}

#define HOLDS_IN(l) ((lane[l] == OPEN || lane[l] == CLOSING) && lane_queue[l] == k)
#define UNLIMITED_IN(l) (HOLDS_IN(l) && !has_deadline[l])
#define ANY_UNLIMITED (UNLIMITED_IN(MY_LANE(0)) || UNLIMITED_IN(MY_LANE(1)))

/* The hold needs the lock no more: Tenure.left, and advance(). */
inline left(l) {
  k = lane_queue[l];
  holds[k]--;
  forget_lane(l);
#ifdef MUTANT_QUEUE_NEVER_ADVANCED
  at[p] = LOOP
#else
#ifdef MUTANT_QUEUE_ADVANCED_TWICE
  twice = (first[k] != NONE);
#endif
  at[p] = (holds[k] > 0 && tenure[k] != NONE && !ANY_UNLIMITED -> LIMIT_REMAINING : JS_ADVANCE)
#endif
}

/* hold-state.ts, end(): once, and the lock goes with the last guard. */
inline end_hold(l) {
  lane[l] = CLOSING;
  if
  :: guard[l] == NO_GUARD || guard[l] == WAS_GUARDED -> left(l)
#ifdef MUTANT_GUARD_IGNORED_BY_RELEASE
  :: else -> holds[k]--; at[p] = JS_ADVANCE
#else
  :: else
#endif
  fi
}

/* At the beginning of a turn of the event loop. */
#define TURN(condition) at[p] == LOOP && condition -> known = named

/* ONE_SIDED: only the first process does anything but acquire exclusively and wait for as long as it takes. */
#ifdef ONE_SIDED
#define TAKES_PART (p == 0)
#else
#define TAKES_PART true
#endif
#ifdef MODES
#define MAY_SHARE TAKES_PART
#else
#define MAY_SHARE false
#endif
#ifdef GIVE_UP
#define MAY_BE_IMPATIENT TAKES_PART
#else
#define MAY_BE_IMPATIENT false
#endif
#ifdef BLOCKED_LOOP
#define MUST_HAVE_DEADLINE true
#else
#define MUST_HAVE_DEADLINE false
#endif
#ifdef MAX_HOLD
#define MAY_HAVE_DEADLINE (TAKES_PART || MUST_HAVE_DEADLINE)
#else
#define MAY_HAVE_DEADLINE false
#endif

/* A new request of lane l. */
inline ask(l) {
#ifdef ROUNDS
  rounds[l]--;
#endif
  f = l;
  if
  :: mode[l] = EXCLUSIVE
  :: MAY_SHARE -> mode[l] = SHARED
  fi;
  if
  :: !MUST_HAVE_DEADLINE -> has_deadline[l] = false
  :: MAY_HAVE_DEADLINE -> has_deadline[l] = true
  fi
}

#define IS_CLOSED(q) (tenure[q] == NONE && wait[q] == NONE && first[q] == NONE && holds[q] == 0 && !put_off[q])
/* Registry.queueFor: which queue is for the path, made where there is none. */
inline find_queue() {
#if QUEUES_EACH == 1
  k = p
#else
  if
  :: queue_of_path[p] == NONE ->
       k = 2 * p;
       if
       :: IS_CLOSED(k)
       :: else -> k++
       fi;
       MUST(EnoughLeases, IS_CLOSED(k));
       queue_of_path[p] = k
  :: else -> k = queue_of_path[p]
  fi
#endif
}

/* This path names another file now. */
inline detach() {
  if
  :: queue_of_path[p] == k -> queue_of_path[p] = NONE
  :: else
  fi
}

/* KernelWait.limitAnew: how long a grant may lie unclaimed follows from those who wait. */
#define LASTS(l) (l != NONE && patient[l])
#define GRACE_OF_LINE (has_deadline[first[k]] || (!LASTS(first[k]) && !LASTS(second[k])))
inline to_limit_wait(then) {
#ifdef MAX_HOLD
  if
  :: wait[k] != NONE && first[k] != NONE && grace[wait[k]] != GRACE_OF_LINE -> at[p] = LIMIT_WAIT; next = then
  :: else -> at[p] = then
  fi
#else
  at[p] = then
#endif
}

/* FileQueue.enqueue, of f in k. */
inline join_line() {
  lane[f] = QUEUED;
  lane_queue[f] = k;
  if
  :: first[k] == NONE -> first[k] = f
  :: else -> second[k] = f
  fi;
  to_limit_wait(JS_ADVANCE)
}

/* The wait of k is k's no more. */
inline take_wait() {
  s = wait[k];
  wait[k] = NONE;
  wait_mode[k] = EXCLUSIVE;
  wait_settled[k] = false
}

/* Tenure.enter and Waiter.grant: from here on lane f holds. Too late: the kernel ended its lease just now. */
inline enter(too_late) {
  MUST(NoGrantToRejected, lane[f] == QUEUED);
  leave_line(f);
  lane[f] = OPEN;
  patient[f] = false;
  late[f] = too_late;
  lane_lease[f] = tenure[k];
  holds[k]++;
  MUST(HoldHasLock, too_late || (state[tenure[k]] == HELD && descriptor[tenure[k]] == LOCKED));
  MUST(Exclusion, NO_CLASH(f));
  MUST(NamedWhenGranted, file[tenure[k]] == named || file[tenure[k]] == known); /* queue rule 4 */
  at[p] = (asked_for == FOR_TRY -> LOOP : JS_ADVANCE);
#ifdef MUTANT_QUEUE_ADVANCED_TWICE
  if
  :: twice -> at[p] = JS_END_TENURE
  :: else
  fi;
  twice = false
#endif
}

inline lapse_lane(l) {
  if
  :: lane[l] == OPEN && lane_queue[l] == k ->
       if
       :: guard[l] == NO_GUARD || guard[l] == WAS_GUARDED -> holds[k]--; forget_lane(l)
       :: else -> lane[l] = CLOSING
       fi
  :: else
  fi
}

/* Tenure.lapse: its limit has passed, so its holds are over. */
inline lapse() {
  lapse_lane(MY_LANE(0));
  lapse_lane(MY_LANE(1))
}

/* FileQueue.leaveFor. */
inline leave_for_new_file() {
  leave_line(f);
  detach();
  MUST(EnoughLeases, another == NONE);
  another = k;
  find_queue();
  join_line()
}

inline end_lane_with_environment(l) {
  if
  :: guard[l] == CHANGING || guard[l] == LETTING_CHANGE_GO -> lane[l] = OVER; late[l] = true /* its thread goes on */
  :: else ->
       forget_lane(l);
       lane[l] = OVER
  fi
}

inline reset_queue(q) {
  first[q] = NONE;
  second[q] = NONE;
  tenure[q] = NONE;
  tenure_mode[q] = EXCLUSIVE;
  holds[q] = 0;
  wait[q] = NONE;
  wait_mode[q] = EXCLUSIVE;
  wait_settled[q] = false;
  next_waits[q] = false;
  hand_overs[q] = 0;
  put_off[q] = false;
  polling[q] = false;
  SPENT_NO_MORE(q)
}

inline forget_environment() {
  expected[p] = 0;
  queue_of_path[p] = NONE;
  reset_queue(p * QUEUES_EACH);
#if QUEUES_EACH > 1
  reset_queue(2 * p + 1);
#endif
  end_lane_with_environment(MY_LANE(0));
  end_lane_with_environment(MY_LANE(1))
}

/* UnlinkAll: what a thread waits for becomes an orphan of nobody, what a change needs is ended by the change (rule 13). */
inline release_all() {
  s = FIRST_LEASE;
  do
  :: s == END_OF_LEASES -> break
  :: s < END_OF_LEASES ->
       notice[s] = false;
       if
       :: WAITS(s) -> state[s] = ORPHANED; owned[s] = false
       :: state[s] == HELD && BEING_CHANGED(s) -> state[s] = ENDING; owned[s] = false
       :: state[s] == HELD && !BEING_CHANGED(s) -> state[s] = TAKEN
#ifdef MUTANT_ENVIRONMENT_KEEPS_GRANTED
       :: state[s] == GRANTED -> skip
#else
       :: state[s] == GRANTED -> state[s] = TAKEN
#endif
       :: state[s] == LAPSED -> forget(s)
       :: state[s] == FAILED -> kernel_unlock(s); forget(s)
       :: else
       fi;
       s++
  od;
  forget_environment()
}

#ifdef MAX_HOLD
#define AFTER_NAMES OUTLASTS
#else
#define AFTER_NAMES JS_STANDING
#endif

/* Events of lane l. */
#define EVENTS_OF_LANE(l) \
  :: TURN(lane[l] == IDLE); lane[l] = OVER \
  :: TURN(lane[l] == IDLE && HAS_ROUNDS(l)); \
       ask(l); \
       if \
       :: patient[l] = true \
       :: MAY_BE_IMPATIENT -> patient[l] = false \
       fi; \
       find_queue(); \
       join_line() \
  EVENT_TRY(l) \
  /* an abort, or the end of its owner */ \
  :: TURN(lane[l] == QUEUED && !patient[l]); f = l; k = lane_queue[l]; at[p] = JS_ABORTED \
  /* its time-out; a hold that is past its deadline was ended before */ \
  :: TURN(lane[l] == QUEUED && !patient[l]); \
       f = l; \
       k = lane_queue[l]; \
       at[p] = (first[k] != l || (tenure[k] != NONE && holds[k] > 0) -> JS_REMOVE : JS_LAST_CHANCE); \
       asked_for = FOR_LAST_CHANCE \
  /* release(), the end of its owner, releaseAll(), the timer of its deadline; without a guard also its collection */ \
  :: TURN(lane[l] == OPEN); k = lane_queue[l]; end_hold(l) \
  EVENTS_OF_GUARDS(l) \
  EVENTS_OF_CHANGES(l)

#ifdef MUTANT_GRANT_AFTER_ABORT
#define JS_ABORTED JS_FORGET_ONLY
#else
#define JS_ABORTED JS_REMOVE
#endif

#ifdef TRY_ACQUIRE
/* tryNow: one try that never queues. */
#define EVENT_TRY(l) \
  :: TURN(lane[l] == IDLE && HAS_ROUNDS(l)); \
       ask(l); \
       find_queue(); \
       lane[l] = QUEUED; \
       lane_queue[l] = k; \
       asked_for = FOR_TRY; \
       if \
       :: tenure[k] == NONE && first[k] == NONE -> how = TRY; opened = NONE; at[p] = OPEN_FILE \
       :: tenure[k] != NONE && first[k] == NONE && tenure_mode[k] == SHARED && mode[l] == SHARED -> at[p] = NAMES \
       :: else -> answer = ANSWER_BUSY; at[p] = JS_TRIED \
       fi
#else
#define EVENT_TRY(l)
#endif

#ifdef GUARDS
/* guard(): the JavaScript check first, then the native one (rule 12). */
#define EVENTS_OF_GUARDS(l) \
  :: TURN(TAKES_PART && lane[l] == OPEN && guard[l] == NO_GUARD && !late[l]); f = l; k = lane_queue[l]; at[p] = ENTER_GUARD \
  :: TURN(guard[l] == GUARDED); f = l; k = lane_queue[l]; at[p] = EXIT_GUARD
#else
#define EVENTS_OF_GUARDS(l)
#endif

#ifdef CHANGES
/* beginUse() and endUse(): JavaScript counts the change as a guard from its order to the notice of its end. */
#define EVENTS_OF_CHANGES(l) \
  :: TURN(TAKES_PART && lane[l] == OPEN && guard[l] == NO_GUARD && !late[l]); guard[l] = ORDERED \
  :: TURN(guard[l] == CHANGED && lane[l] != OVER); k = lane_queue[l]; leave_guard(l)
#else
#define EVENTS_OF_CHANGES(l)
#endif

/* hold-state.ts, leaveGuard. */
inline leave_guard(l) {
  guard[l] = WAS_GUARDED;
  if
  :: lane[l] == CLOSING || late[l] -> left(l)
  :: else
  fi
}

#ifdef EXTENSIONS
#define EVENT_EXTEND(l) \
  :: TURN(lane[l] == OPEN && has_deadline[l] && !late[l]); f = l; k = lane_queue[l]; at[p] = EXTEND
#else
#define EVENT_EXTEND(l)
#endif

/* A notice arrives: Coordinator's onSettled, FileQueue.settled. */
inline settled(lease) {
  notice[lease] = false;
  k = p * QUEUES_EACH;
#if QUEUES_EACH > 1
  if
  :: wait[k] == lease
  :: else -> k++
  fi;
#endif
  if
  :: wait[k] == lease -> wait_settled[k] = true; at[p] = JS_ADVANCE
  :: else
  fi
}

#define IF_CHECKED(step, otherwise) otherwise
#ifdef REPLACE
#undef IF_CHECKED
#define IF_CHECKED(step, otherwise) step
#endif

/* Only who will wait takes over the place of an orphan. */
#ifdef MUTANT_LAST_TRY_ADOPTS
#define ADOPTS true
#else
#define ADOPTS (how == TRY_THEN_WAIT || how == WAIT)
#endif

proctype Environment(byte p) {
  byte k = NONE;       /* the queue that is at work */
  byte f = NONE;       /* the lane: mostly the first of the queue */
  byte s = NONE;       /* the lease */
  byte opened = 0;     /* the file that the path named when it was opened */
  byte known = 0;      /* what the path named when this turn began */
  byte begun = NONE;   /* a lease that was granted, and whose tenure begins after another native step */
  byte another = NONE; /* the queue that goes on after this one */
  mtype how = TRY_THEN_WAIT;
  mtype answer = ANSWER_NONE;
  mtype asked_for = FOR_ADVANCE;
  mtype next = LOOP;
  bool twice = false;

end:
  do
  :: atomic {
       if
       /* ---- events ---- */
       EVENTS_OF_LANE(MY_LANE(0))
       EVENTS_OF_LANE(MY_LANE(1))
       EVENT_EXTEND(MY_LANE(0))
       EVENT_EXTEND(MY_LANE(1))
       :: TURN(notice[FIRST_LEASE]); settled(FIRST_LEASE)
       :: TURN(notice[FIRST_LEASE + 1]); settled(FIRST_LEASE + 1)
#if LEASES_EACH > 2
       :: TURN(notice[FIRST_LEASE + 2]); settled(FIRST_LEASE + 2)
#endif
#if LEASES_EACH > 3
       :: TURN(notice[FIRST_LEASE + 3]); settled(FIRST_LEASE + 3)
#endif
       :: TURN(put_off[p * QUEUES_EACH]); k = p * QUEUES_EACH; put_off[k] = false; at[p] = JS_ADVANCE
       :: TURN(polling[p * QUEUES_EACH]); k = p * QUEUES_EACH; polling[k] = false; at[p] = JS_ADVANCE
#if QUEUES_EACH > 1
       :: TURN(put_off[2 * p + 1]); k = 2 * p + 1; put_off[k] = false; at[p] = JS_ADVANCE
       :: TURN(polling[2 * p + 1]); k = 2 * p + 1; polling[k] = false; at[p] = JS_ADVANCE
#endif
       :: at[p] == LOOP && ending[p] -> at[p] = RELEASE_ALL

       /* ---- lease.cc, Request ---- */
       :: at[p] == OPEN_FILE ->
            opened = named;
            answer = ANSWER_NONE;
            if
            :: ADOPTS && (mode[f] == EXCLUSIVE || how == WAIT) -> at[p] = FIND_ORPHAN /* rule 10 */
            :: else -> at[p] = TRY_LOCK
            fi
       :: at[p] == FIND_ORPHAN ->
            adopt();
            at[p] = (answer == ANSWER_WAITING -> JS_ANSWERED : (how == WAIT -> START_WAIT : TRY_LOCK))
       :: at[p] == TRY_LOCK ->
            if
            :: COMPATIBLE(mode[f], opened) ->
                 new_lease(mode[f]);
                 state[s] = TAKEN;
                 lock(s);
                 at[p] = IF_CHECKED(CHECK_TRIED, LINK_HELD)
            :: else ->
                 answer = ANSWER_BUSY;
                 at[p] = (how == TRY_THEN_WAIT -> FIND_ORPHAN_AGAIN : JS_ANSWERED)
            fi
       :: at[p] == CHECK_TRIED -> at[p] = (named == opened -> LINK_HELD : CLOSE_TRIED)
       :: at[p] == CLOSE_TRIED -> unlock(s); forget(s); at[p] = OPEN_FILE
       :: at[p] == LINK_HELD -> state[s] = HELD; answer = ANSWER_GRANTED; at[p] = JS_ANSWERED
       :: at[p] == FIND_ORPHAN_AGAIN -> adopt(); at[p] = (answer == ANSWER_WAITING -> JS_ANSWERED : START_WAIT)
       :: at[p] == START_WAIT ->
            new_lease(mode[f]);
            state[s] = WAITING;
            descriptor[s] = UNLOCKED;
            thread[s] = BLOCKED;
            expected[p]++;
            answer = ANSWER_WAITING;
            MUST(OneOrphan, ONE_ORPHAN);
            at[p] = JS_ANSWERED
#ifdef FAULTS
       :: at[p] == START_WAIT && faults > 0 -> faults--; s = NONE; answer = ANSWER_BUSY; at[p] = JS_ANSWERED
#endif

       /* ---- LimitWait ---- */
       :: at[p] == LIMIT_WAIT ->
            if
            :: state[wait[k]] == WAITING -> grace[wait[k]] = GRACE_OF_LINE
            :: state[wait[k]] == GRANTED && GRACE_OF_LINE && limit[wait[k]] == NO_LIMIT -> limit[wait[k]] = LIMITED
            :: else
            fi;
            at[p] = next

       /* ---- Claim ---- */
       :: at[p] == CLAIM ->
            s = wait[k];
            if
            :: WAITS(s) -> answer = ANSWER_WAITING; at[p] = JS_CLAIMED
            :: state[s] == GRANTED ->
                 state[s] = HELD;
                 limit[s] = NO_LIMIT;
                 notice[s] = false;
                 expected[p]--;
                 answer = ANSWER_GRANTED;
                 at[p] = IF_CHECKED(CHECK_CLAIMED, JS_CLAIMED)
            :: state[s] == LAPSED ->
                 expected[p]--;
#ifdef MUTANT_CLAIM_LAPSED
                 state[s] = HELD;
                 limit[s] = NO_LIMIT;
                 answer = ANSWER_GRANTED;
#else
                 answer = ANSWER_REPLACED;
                 forget(s);
#endif
                 at[p] = JS_CLAIMED
            :: state[s] == FAILED ->
                 expected[p]--;
                 answer = ANSWER_FAILED;
                 kernel_unlock(s);
                 forget(s);
                 at[p] = JS_CLAIMED
            fi
       :: at[p] == CHECK_CLAIMED ->
#ifdef MUTANT_NO_CHECK_AT_CLAIM
            at[p] = JS_CLAIMED
#else
            if
            :: named == file[s] -> at[p] = JS_CLAIMED
            :: else -> answer = ANSWER_REPLACED; next = JS_CLAIMED; at[p] = RELEASE
            fi
#endif

       /* ---- Drop, of s ---- */
       :: at[p] == DROP ->
            expected[p]--;
            if
            :: state[s] == WAITING ->
                 state[s] = ORPHANED;
                 MUST(OneOrphan, ONE_ORPHAN);
                 at[p] = next
            :: state[s] == GRANTED -> state[s] = TAKEN; at[p] = UNLOCK_DROPPED
            :: state[s] == LAPSED -> forget(s); at[p] = next
            :: state[s] == FAILED -> kernel_unlock(s); forget(s); at[p] = next
            fi
       :: at[p] == UNLOCK_DROPPED ->
#ifndef MUTANT_NO_UNLOCK_ON_ABORT
            unlock(s);
#endif
            forget(s);
            at[p] = next

       /* ---- Release, of s ---- */
       :: at[p] == RELEASE ->
            if
            :: state[s] != HELD -> at[p] = next
            :: state[s] == HELD && BEING_CHANGED(s) -> state[s] = ENDING; owned[s] = false; at[p] = next /* rule 13 */
            :: else -> state[s] = TAKEN; at[p] = UNLOCK_RELEASED
            fi
       :: at[p] == UNLOCK_RELEASED -> unlock(s); forget(s); at[p] = next

       /* ---- Names: whether the tenure of k is the lock of the path ---- */
       :: at[p] == NAMES ->
            if
            :: state[tenure[k]] == HELD -> answer = ANSWER_GRANTED; at[p] = IF_CHECKED(CHECK_NAMES, AFTER_NAMES)
            :: else -> answer = ANSWER_REPLACED; at[p] = JS_STANDING
            fi
       :: at[p] == CHECK_NAMES ->
#ifdef MUTANT_NO_CHECK_AT_HAND_OVER
            at[p] = AFTER_NAMES
#else
            if
            :: named == file[tenure[k]] -> at[p] = AFTER_NAMES
            :: else -> answer = ANSWER_REPLACED; at[p] = JS_STANDING
            fi
#endif

#ifdef MAX_HOLD
       /* ---- Limit: Tenure.outlasts, enter, left and relimit ---- */
       :: at[p] == OUTLASTS -> /* a deadline before the limit needs no call; any other moves the limit */
            if
            :: (state[tenure[k]] == HELD && limit[tenure[k]] == NO_LIMIT) || has_deadline[f]
            :: state[tenure[k]] == HELD && limit[tenure[k]] == LIMITED ->
                 limit[tenure[k]] = (has_deadline[f] && !ANY_UNLIMITED -> LIMITED : NO_LIMIT)
            :: state[tenure[k]] != HELD || limit[tenure[k]] == OVERDUE -> answer = ANSWER_BUSY
            fi;
            at[p] = JS_STANDING
       :: at[p] == LIMIT_ENTERING ->
            if
            :: state[tenure[k]] != HELD || limit[tenure[k]] == OVERDUE -> enter(true)
            :: else ->
                 limit[tenure[k]] = (has_deadline[f] && !ANY_UNLIMITED -> LIMITED : NO_LIMIT);
                 enter(false)
            fi
       :: at[p] == LIMIT_REMAINING ->
            if
            :: state[tenure[k]] == HELD && limit[tenure[k]] != OVERDUE -> limit[tenure[k]] = LIMITED
            :: else
            fi;
            at[p] = JS_ADVANCE
       :: at[p] == EXTEND ->
            if
            :: state[tenure[k]] == HELD && limit[tenure[k]] != OVERDUE -> late[f] = false; at[p] = LOOP
            :: else -> at[p] = LOOP; end_hold(f)
            fi
#endif

       /* ---- guards ---- */
       :: at[p] == ENTER_GUARD ->
            if
#ifdef MUTANT_GUARD_AFTER_LIMIT
            :: true ->
#else
            :: state[tenure[k]] == HELD && limit[tenure[k]] != OVERDUE ->
#endif
                 MUST(NoGuardAfterEnd, lane[f] == OPEN && state[lane_lease[f]] == HELD && limit[lane_lease[f]] != OVERDUE &&
                      descriptor[lane_lease[f]] == LOCKED);
                 guards[tenure[k]]++;
                 guard[f] = GUARDED;
                 MUST(Exclusion, NO_CLASH(f));
                 at[p] = LOOP
            :: else -> at[p] = LOOP; end_hold(f)
            fi
       :: at[p] == EXIT_GUARD ->
            if
            :: tenure[k] != NONE && state[tenure[k]] == HELD -> guards[tenure[k]]--
            :: else
            fi;
            at[p] = LOOP;
            leave_guard(f)

       /* ---- the end of the environment: ReleaseAll, rule 7 ---- */
       :: at[p] == RELEASE_ALL -> release_all(); at[p] = RELEASE_ALL_UNLOCK
       :: at[p] == RELEASE_ALL_UNLOCK ->
            s = FIRST_LEASE;
            do
            :: s < END_OF_LEASES && !(state[s] == TAKEN && owned[s]) -> s++
            :: else -> break
            od;
            if
            :: s < END_OF_LEASES -> unlock(s); forget(s)
            :: else -> at[p] = GONE
            fi
       fi;

       /* ---- JavaScript, up to the next native step ---- */
       do
       :: ending[p] && IS_JAVASCRIPT(at[p]) -> at[p] = RELEASE_ALL; break

       :: at[p] == JS_ADVANCE ->
            asked_for = FOR_ADVANCE;
            f = first[k];
            if
            :: f == NONE -> at[p] = (tenure[k] == NONE || holds[k] == 0 -> JS_CLOSE : LOOP)
#ifdef TURNS
            :: f != NONE && !put_off[k] -> put_off[k] = true; at[p] = LOOP
#endif
            :: f != NONE && tenure[k] == NONE -> at[p] = JS_SEEK
            :: f != NONE && tenure[k] != NONE && holds[k] == 0 -> at[p] = JS_TAKE_OVER
            :: f != NONE && tenure[k] != NONE && holds[k] > 0 -> /* join */
                 at[p] = (tenure_mode[k] == EXCLUSIVE || mode[f] == EXCLUSIVE -> LOOP : NAMES)
            fi

       :: at[p] == JS_SEEK ->
            if
            :: polling[k] -> at[p] = LOOP
            :: !polling[k] && wait[k] != NONE && wait_mode[k] == mode[f] -> at[p] = (wait_settled[k] -> CLAIM : LOOP)
            :: !polling[k] && wait[k] != NONE && wait_mode[k] != mode[f] -> take_wait(); at[p] = DROP; next = JS_SEEK
            :: !polling[k] && wait[k] == NONE ->
                 how = (next_waits[k] -> WAIT : TRY_THEN_WAIT);
                 next_waits[k] = false;
                 at[p] = OPEN_FILE
            fi

       :: at[p] == JS_ANSWERED ->
            if
            :: asked_for == FOR_TRY -> at[p] = JS_TRIED
            :: asked_for != FOR_TRY && answer == ANSWER_GRANTED ->
                 if
#ifndef MUTANT_LAST_TRY_KEEPS_WAIT
                 :: wait[k] != NONE -> /* the last try came through: its own wait is dropped */
                      begun = s;
                      take_wait();
                      at[p] = DROP;
                      next = JS_BEGIN
#endif
                 :: else -> begun = s; at[p] = JS_BEGIN
                 fi
            :: asked_for == FOR_ADVANCE && answer == ANSWER_WAITING ->
                 wait[k] = s;
                 wait_mode[k] = mode[f];
                 wait_settled[k] = false;
                 to_limit_wait(LOOP)
            :: asked_for == FOR_ADVANCE && answer == ANSWER_BUSY -> polling[k] = true; at[p] = LOOP
            :: asked_for == FOR_LAST_CHANCE && answer != ANSWER_GRANTED ->
                 asked_for = FOR_LAST_CLAIM; /* our own wait may have been granted just now */
                 at[p] = (wait[k] != NONE -> CLAIM : JS_REMOVE)
            fi

       :: at[p] == JS_BEGIN ->
            MUST(TenureOrWait, tenure[k] == NONE && wait[k] == NONE); /* queue rule 2 */
            tenure[k] = begun;
            tenure_mode[k] = mode[f];
            begun = NONE;
            hand_overs[k] = 0;
            polling[k] = false;
            at[p] = JS_GRANT

       :: at[p] == JS_CLAIMED ->
            if
            :: answer == ANSWER_WAITING ->
                 at[p] = (asked_for == FOR_ADVANCE -> LOOP : (asked_for == FOR_LAST_CHANCE -> JS_LAST_TRY : JS_REMOVE))
            :: answer == ANSWER_GRANTED -> begun = s; take_wait(); at[p] = JS_BEGIN
            :: answer == ANSWER_REPLACED ->
                 take_wait();
                 at[p] = (asked_for == FOR_ADVANCE -> JS_ADVANCE : (asked_for == FOR_LAST_CHANCE -> JS_LAST_TRY : JS_REMOVE))
            :: answer == ANSWER_FAILED -> take_wait(); at[p] = JS_REMOVE
            fi

       :: at[p] == JS_TAKE_OVER ->
            if
            :: tenure_mode[k] == EXCLUSIVE && mode[f] == EXCLUSIVE && hand_overs[k] < MOST_HAND_OVERS && !SPENT(k) ->
                 at[p] = NAMES
            :: true -> next_waits[k] = true; at[p] = JS_END_TENURE /* queue rule 5; it may be too old */
            fi

       :: at[p] == JS_END_TENURE ->
            s = tenure[k];
            tenure[k] = NONE;
            SPENT_NO_MORE(k);
            at[p] = RELEASE;
            next = (asked_for == FOR_ADVANCE -> JS_ADVANCE : JS_LAST_TRY)

       :: at[p] == JS_STANDING -> /* GRANTED is here, REPLACED is elsewhere, BUSY is over */
            if
            :: asked_for == FOR_TRY && answer == ANSWER_GRANTED -> at[p] = JS_GRANT
            :: asked_for == FOR_TRY && answer != ANSWER_GRANTED ->
                 if
                 :: answer == ANSWER_REPLACED ->
                      detach();
                      find_queue();
                      lane_queue[f] = k;
                      answer = ANSWER_BUSY;
                      at[p] = (tenure[k] == NONE && first[k] == NONE -> OPEN_FILE : JS_TRIED);
                      how = TRY
                 :: answer == ANSWER_BUSY -> lapse(); at[p] = JS_TRIED /* where all ended, the real one tries once more */
                 fi
            :: asked_for != FOR_TRY && holds[k] == 0 && answer == ANSWER_GRANTED -> hand_overs[k]++; at[p] = JS_GRANT
            :: asked_for != FOR_TRY && holds[k] == 0 && answer != ANSWER_GRANTED -> at[p] = JS_END_TENURE
            :: asked_for != FOR_TRY && holds[k] > 0 && answer == ANSWER_GRANTED -> at[p] = JS_GRANT
            :: asked_for != FOR_TRY && holds[k] > 0 && answer == ANSWER_BUSY -> lapse(); at[p] = JS_ADVANCE
            :: asked_for != FOR_TRY && holds[k] > 0 && answer == ANSWER_REPLACED -> leave_for_new_file()
            fi

       :: at[p] == JS_GRANT ->
#ifdef MAX_HOLD
            if
            :: has_deadline[f] || limit[tenure[k]] != NO_LIMIT || state[tenure[k]] != HELD -> at[p] = LIMIT_ENTERING
            :: else -> enter(false)
            fi
#else
            enter(false)
#endif

       :: at[p] == JS_LAST_CHANCE ->
            if
            :: wait[k] != NONE && wait_mode[k] != mode[f] -> take_wait(); at[p] = DROP; next = JS_LAST_CHANCE
            :: !(wait[k] != NONE && wait_mode[k] != mode[f]) && tenure[k] != NONE -> at[p] = JS_TAKE_OVER
            :: wait[k] != NONE && wait_mode[k] == mode[f] && tenure[k] == NONE -> at[p] = CLAIM
            :: wait[k] == NONE && tenure[k] == NONE -> at[p] = JS_LAST_TRY
            fi
       :: at[p] == JS_LAST_TRY -> how = LAST_TRY; asked_for = FOR_LAST_CHANCE; at[p] = OPEN_FILE

       :: at[p] == JS_REMOVE -> leave_line(f); forget_lane(f); f = NONE; to_limit_wait(JS_ADVANCE)
#ifdef MUTANT_GRANT_AFTER_ABORT
       :: at[p] == JS_FORGET_ONLY -> forget_lane(f); lane_queue[f] = NONE; at[p] = LOOP
#endif

       :: at[p] == JS_TRIED ->
            if
            :: answer == ANSWER_GRANTED -> begun = s; at[p] = JS_BEGIN
            :: answer != ANSWER_GRANTED -> forget_lane(f); at[p] = JS_ADVANCE
            fi

       /* Queue rule 6. */
       :: at[p] == JS_CLOSE ->
            s = tenure[k];
            tenure[k] = NONE;
            SPENT_NO_MORE(k);
            if
            :: s != NONE -> at[p] = RELEASE; next = JS_CLOSE_WAIT
            :: s == NONE -> at[p] = JS_CLOSE_WAIT
            fi
       :: at[p] == JS_CLOSE_WAIT ->
            if
            :: wait[k] != NONE -> take_wait(); at[p] = DROP; next = JS_CLOSED
            :: wait[k] == NONE -> at[p] = JS_CLOSED
            fi
       :: at[p] == JS_CLOSED ->
            polling[k] = false;
            put_off[k] = false;
            next_waits[k] = false;
            hand_overs[k] = 0;
            tenure_mode[k] = EXCLUSIVE;
            if
            :: queue_of_path[p] == k -> queue_of_path[p] = NONE
            :: else
            fi;
            at[p] = LOOP

       :: at[p] == LOOP && another != NONE -> k = another; another = NONE; at[p] = JS_ADVANCE

       :: else -> break
       od;

       if
       :: at[p] == LOOP || at[p] == GONE ->
            k = NONE; f = NONE; s = NONE; opened = 0; how = TRY_THEN_WAIT; answer = ANSWER_NONE; asked_for = FOR_ADVANCE;
            next = LOOP; begun = NONE; another = NONE; known = 0; twice = false
       :: else
       fi
     }
  od
}
