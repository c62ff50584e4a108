/* The baseline: what the same locks cost a program that has nothing but the system calls.
 *
 *   raw cycle <target> <lockfile> <record>   each line "N" on stdin: N uncontended cycles; answers "<mean ns> <p99 ns>"
 *   raw hold <lockfile>                      "hold": takes the lock, answers "held";
 *                                            "release <ns>": keeps it that long, unlocks, answers when, in ns
 *   raw wait <lockfile>                      "wait": answers "waiting", blocks until granted, answers when, in ns
 *
 * All times are CLOCK_MONOTONIC, which is what process.hrtime() reads on Linux. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_SIZE = 512, PREFIX_SIZE = 16, STAMP_SIZE = 48, MOST_CYCLES = 1 << 20 };

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static int open_lock_file(const char *path) {
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  check(fd >= 0, "open");
  return fd;
}

/* A Node process has threads besides the one that runs JavaScript, and in a process with more than one the kernel
 * counts references at every look-up of a descriptor. The baseline pays for that too: one thread that does nothing. */
static void *idle(void *unused) {
  for (;;) pause();
  return unused;
}

static void start_idle_thread(void) {
  pthread_t thread;
  check(pthread_create(&thread, NULL, idle, NULL) == 0, "pthread_create");
}

/* The calls of one holdfast cycle, in its order. bench/lib/same-calls.mjs checks with strace that they still are. */
static void cycle(const char *target, const char *lockfile, int record) {
  static char page[RECORD_SIZE];
  struct stat target_status, opened, named;
  lstat(target, &target_status);
  const int fd = open_lock_file(lockfile);
  check(fstat(fd, &opened) == 0, "fstat");
  check(flock(fd, LOCK_EX | LOCK_NB) == 0, "flock");
  check(lstat(lockfile, &named) == 0 && named.st_ino == opened.st_ino, "lstat");
  if (record) {
    check(pread(fd, page, RECORD_SIZE, 0) >= 0, "pread");
    memset(page, ' ', RECORD_SIZE);
    check(pwrite(fd, page, RECORD_SIZE, 0) == RECORD_SIZE, "pwrite");
    check(pread(fd, page, PREFIX_SIZE, 0) == PREFIX_SIZE, "pread");
    check(pwrite(fd, page, STAMP_SIZE, PREFIX_SIZE) == STAMP_SIZE, "pwrite");
  }
  flock(fd, LOCK_UN);
  close(fd);
}

static int ascending(const void *left, const void *right) {
  const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

/* Timed twice: as a whole for the mean, because reading a clock costs something too, and one by one for the tail. */
static void cycles(const char *target, const char *lockfile, int record) {
  static int64_t single[MOST_CYCLES];
  start_idle_thread();
  long count;
  while (scanf("%ld", &count) == 1) {
    check(count > 0 && count <= MOST_CYCLES, "count");
    const int64_t begun = now();
    for (long i = 0; i < count; i++) cycle(target, lockfile, record);
    const double mean = (double)(now() - begun) / (double)count;
    for (long i = 0; i < count; i++) {
      const int64_t start = now();
      cycle(target, lockfile, record);
      single[i] = now() - start;
    }
    qsort(single, (size_t)count, sizeof(single[0]), ascending);
    printf("%.1f %lld\n", mean, (long long)single[count * 99 / 100]);
    fflush(stdout);
  }
}

/* Keeps the processor's hands off the moment of the grant: nobody is told anything until the waiter has run. */
static void sleep_ns(int64_t ns) {
  const struct timespec pause = {ns / 1000000000, ns % 1000000000};
  nanosleep(&pause, NULL);
}

static void hold(const char *lockfile) {
  char command[16];
  int fd = -1;
  while (scanf("%15s", command) == 1) {
    if (strcmp(command, "hold") == 0) {
      fd = open_lock_file(lockfile);
      check(flock(fd, LOCK_EX) == 0, "flock");
      puts("held");
    } else {
      long long duration;
      check(scanf("%lld", &duration) == 1, "release");
      sleep_ns(duration);
      const int64_t released = now();
      flock(fd, LOCK_UN);
      close(fd);
      sleep_ns(3000000);
      printf("%lld\n", (long long)released);
    }
    fflush(stdout);
  }
}

static void wait_for_lock(const char *lockfile) {
  char command[16];
  while (scanf("%15s", command) == 1) {
    const int fd = open_lock_file(lockfile);
    puts("waiting");
    fflush(stdout);
    check(flock(fd, LOCK_EX) == 0, "flock");
    const int64_t granted = now();
    flock(fd, LOCK_UN);
    close(fd);
    printf("%lld\n", (long long)granted);
    fflush(stdout);
  }
}

int main(int count, char **arguments) {
  if (count == 5 && strcmp(arguments[1], "cycle") == 0) cycles(arguments[2], arguments[3], atoi(arguments[4]));
  else if (count == 3 && strcmp(arguments[1], "hold") == 0) hold(arguments[2]);
  else if (count == 3 && strcmp(arguments[1], "wait") == 0) wait_for_lock(arguments[2]);
  else return 2;
  return 0;
}
