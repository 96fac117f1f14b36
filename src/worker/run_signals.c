// SPDX-License-Identifier: MIT
// Signals belong to the main thread, which waits for them in the open; no handler runs beside the program's work.
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "lumin/base/clock.h"
#include "run_internal.h"

#define PAUSE_FIRST (100 * NS_PER_MS)
#define PAUSE_LONGEST (5 * NS_PER_SECOND)

static sigset_t stop_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

void signals_begin(void) {
  sigset_t set = stop_signals();
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
  (void)sigaction(SIGPIPE, &ignore, NULL);
}

bool signals_wait(int64_t timeout_ns) {
  sigset_t set = stop_signals();
  int64_t until = timeout_ns == INT64_MAX ? INT64_MAX : clock_monotonic_ns() + timeout_ns;
  for (;;) {
    int64_t left = until == INT64_MAX ? NS_PER_SECOND * 3600 : until - clock_monotonic_ns();
    if (left < 0) {
      return false;
    }
    struct timespec time = {.tv_sec = left / NS_PER_SECOND, .tv_nsec = left % NS_PER_SECOND};
    if (sigtimedwait(&set, NULL, &time) > 0) {
      return true;
    }
  }
}

static void end_now(int signal) {
  (void)signal;
  _exit(PROGRAM_INTERRUPTED);
}

void signals_insist(void) {
  sigset_t set = stop_signals();
  struct sigaction end = {.sa_handler = end_now};
  (void)sigaction(SIGTERM, &end, NULL);
  (void)sigaction(SIGINT, &end, NULL);
  (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool backoff_wait(struct backoff *backoff) {
  int64_t doubled = 2 * backoff->pause_ns;
  backoff->pause_ns = doubled < PAUSE_FIRST ? PAUSE_FIRST : doubled > PAUSE_LONGEST ? PAUSE_LONGEST : doubled;
  return signals_wait(backoff->pause_ns + (int64_t)random_below((uint64_t)backoff->pause_ns / 4 + 1));
}
