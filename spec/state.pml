/* What there is: lock files, leases with their descriptors and threads, queues, lanes, and what must always be true of
   them. Names follow the sources: a lease is one of native/lease.h, a queue one of src/coordination/file-queue.ts, a
   lane is somebody who acquires, one request after another.

   Everything is an array over all processes; process p owns the entries from p * <so many each> on. */

#define PROCESSES 2
#define LANES_EACH 2
#define LANES (PROCESSES * LANES_EACH)
#ifndef LEASES_EACH
#define LEASES_EACH 2
#endif
#define LEASES (PROCESSES * LEASES_EACH)
#ifdef REPLACE
#define QUEUES_EACH 2
#define FILES 2
#else
#define QUEUES_EACH 1
#define FILES 1
#endif
#define QUEUES (PROCESSES * QUEUES_EACH)
#define NONE 15

mtype = { EXCLUSIVE, SHARED }

/* States of a lease: those of lease.h, and TAKEN, which is out of the tables and about to be unlocked or closed by whoever
   took it (rule 2), or not in them yet (the descriptor of a try). */
mtype = { FREE, TAKEN, WAITING, ORPHANED, GRANTED, FAILED, ENDING, HELD, LAPSED }

/* Descriptors. */
mtype = { CLOSED, UNLOCKED, LOCKED }

/* Waiter threads. */
mtype = { NO_THREAD, BLOCKED, ANSWERED, LETTING_GO }

/* Limits in time. */
mtype = { NO_LIMIT, LIMITED, OVERDUE }

/* Lanes: a hold is OPEN, then CLOSING while a guard of it is open. */
mtype = { IDLE, QUEUED, OPEN, CLOSING, OVER }

/* Guards of a hold: each hold may have one. A change is a guard too, which a thread of its own enters and leaves. */
mtype = { NO_GUARD, GUARDED, ORDERED, CHANGING, LETTING_CHANGE_GO, CHANGED, WAS_GUARDED }

/* How: native/lease.h. */
mtype = { TRY_THEN_WAIT, WAIT, LAST_TRY, TRY }

/* Answers of a request and of a claim. */
mtype = { ANSWER_NONE, ANSWER_GRANTED, ANSWER_WAITING, ANSWER_BUSY, ANSWER_REPLACED, ANSWER_FAILED }

/* Where the thread of an environment is. Down to RELEASE_ALL_UNLOCK each is the next native step: one transition under
   the registry's mutex, or one system call. The rest is JavaScript, which runs on to the next native step at once. */
mtype = {
  LOOP,
  OPEN_FILE, FIND_ORPHAN, TRY_LOCK, CHECK_TRIED, CLOSE_TRIED, LINK_HELD, FIND_ORPHAN_AGAIN, START_WAIT, LIMIT_WAIT,
  CLAIM, CHECK_CLAIMED, DROP, UNLOCK_DROPPED, RELEASE, UNLOCK_RELEASED,
  NAMES, CHECK_NAMES, OUTLASTS, LIMIT_ENTERING, LIMIT_REMAINING, EXTEND, ENTER_GUARD, EXIT_GUARD,
  RELEASE_ALL, RELEASE_ALL_UNLOCK, GONE, STUCK,
  JS_ADVANCE, JS_SEEK, JS_ANSWERED, JS_CLAIMED, JS_TAKE_OVER, JS_STANDING, JS_END_TENURE, JS_LAST_CHANCE, JS_LAST_TRY,
  JS_REMOVE, JS_BEGIN, JS_GRANT, JS_CLOSE, JS_CLOSE_WAIT, JS_CLOSED, JS_FORGET_ONLY, JS_TRIED
}
#define IS_JAVASCRIPT(step) (JS_TRIED <= (step) && (step) <= JS_ADVANCE) /* names are numbered from the last to the first */

/* Who asked, so who gets the answer: advance(), lastChance() before and after its try, tryNow(). */
mtype = { FOR_ADVANCE, FOR_LAST_CHANCE, FOR_LAST_CLAIM, FOR_TRY }

/* The kernel: how many hold each file, and which file the path names. */
byte exclusive_locks[FILES]
byte shared_locks[FILES]
byte named = 0

/* Leases. */
mtype state[LEASES] = FREE
mtype descriptor[LEASES] = CLOSED
mtype lease_mode[LEASES] = EXCLUSIVE
byte file[LEASES]
bool owned[LEASES]            /* its environment still exists */
byte guards[LEASES]
mtype limit[LEASES] = NO_LIMIT
bool grace[LEASES]            /* of a wait: once granted, it will be limited */
mtype thread[LEASES] = NO_THREAD
bool notice[LEASES]           /* on its way to the event loop */

/* Environments, one for each process. */
mtype at[PROCESSES] = LOOP
bool ending[PROCESSES]        /* the environment was asked to end: its JavaScript stops at the next opportunity */
byte expected[PROCESSES]      /* waits that keep the event loop alive */
bool crashed[PROCESSES]
byte watchdog_has[PROCESSES] = NONE
byte queue_of_path[PROCESSES] = NONE

#if defined(CRASH) || defined(ENVIRONMENT_END) || defined(BLOCKED_LOOP)
byte deaths = 1
#endif

/* Queues. */
byte first[QUEUES] = NONE
byte second[QUEUES] = NONE
byte tenure[QUEUES] = NONE
mtype tenure_mode[QUEUES] = EXCLUSIVE
byte holds[QUEUES]
byte wait[QUEUES] = NONE
mtype wait_mode[QUEUES] = EXCLUSIVE
bool wait_settled[QUEUES]
bool next_waits[QUEUES]       /* the next request makes no fresh try */
byte hand_overs[QUEUES]
bool put_off[QUEUES]          /* the event loop is owed a turn first */
bool polling[QUEUES]
#ifdef CHANGES
bool spent[QUEUES]            /* a change may have ended the lease */
#define SPENT(q) spent[q]
#define SPENT_NO_MORE(q) spent[q] = false
#else
#define SPENT(q) false
#define SPENT_NO_MORE(q) skip
#endif
#define MOST_HAND_OVERS 1
#ifdef FAULTS
byte faults = FAULTS          /* system calls that may still fail */
#endif

/* Lanes. */
mtype lane[LANES] = IDLE
mtype mode[LANES] = EXCLUSIVE
bool patient[LANES]           /* no time-out and no abort will come */
bool has_deadline[LANES]      /* its hold has a maxHold */
bool late[LANES]              /* the deadline of its hold has passed */
mtype guard[LANES] = NO_GUARD
byte lane_queue[LANES] = NONE
byte lane_lease[LANES] = NONE
#ifdef ROUNDS
byte rounds[LANES] = ROUNDS
#define HAS_ROUNDS(l) (rounds[l] > 0)
#else
#define HAS_ROUNDS(l) true
#endif

/* What must be true. The names stand in the message of a violation: "assertion violated ((Exclusion!=0)||…". */
hidden byte Exclusion, HoldHasLock, UnlockedOnce, NoGrantToRejected, NoGuardAfterEnd, GuardKeepsLock, OneOrphan,
  NothingHeldByNobody, EveryWaiterGranted, NamedWhenGranted, TenureOrWait, LoopNotKeptAlive, EnoughLeases, NoDeadlock
#define MUST(property, condition) assert(property != 0 || (condition))

/* It counts on the lock: its hold is held, as `hold.held` says, or a guard of it is open. */
#define GUARD_OPEN(l) (guard[l] == GUARDED || guard[l] == CHANGING)
#define IN_USE(l) ((lane[l] == OPEN && !late[l]) || GUARD_OPEN(l))
#define SAME_FILE(a, b) (lane_lease[a] != NONE && lane_lease[b] != NONE && file[lane_lease[a]] == file[lane_lease[b]])
#define CLASH(a, b) (a != b && IN_USE(a) && IN_USE(b) && SAME_FILE(a, b) && (mode[a] == EXCLUSIVE || mode[b] == EXCLUSIVE))
#define NO_CLASH(l) (!CLASH(l, 0) && !CLASH(l, 1) && !CLASH(l, 2) && !CLASH(l, 3))
