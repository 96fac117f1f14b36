// SPDX-License-Identifier: MIT
// The condition's clock stands still while the machine sleeps, so no wait is longer than a second.
#include "lumin/base/pause.h"

#include <time.h>

#include "lumin/base/clock.h"

enum lumin_status pause_init(struct pause *pause) {
  pthread_condattr_t monotonic;
  if (pthread_condattr_init(&monotonic) != 0) {
    return LUMIN_NO_MEMORY;
  }
  (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  bool made = pthread_cond_init(&pause->ending, &monotonic) == 0;
  (void)pthread_condattr_destroy(&monotonic);
  if (!made) {
    return LUMIN_NO_MEMORY;
  }
  if (pthread_mutex_init(&pause->lock, NULL) != 0) {
    (void)pthread_cond_destroy(&pause->ending);
    return LUMIN_NO_MEMORY;
  }
  pause->ended = false;
  return LUMIN_OK;
}

void pause_finish(struct pause *pause) {
  (void)pthread_cond_destroy(&pause->ending);
  (void)pthread_mutex_destroy(&pause->lock);
}

static void wait_at_most(struct pause *pause, int64_t ns) {
  struct timespec wake;
  (void)clock_gettime(CLOCK_MONOTONIC, &wake);
  ns += wake.tv_nsec;
  wake.tv_sec += ns / NS_PER_SECOND;
  wake.tv_nsec = ns % NS_PER_SECOND;
  (void)pthread_cond_timedwait(&pause->ending, &pause->lock, &wake);
}

bool pause_until(struct pause *pause, int64_t until_ns) {
  pthread_mutex_lock(&pause->lock);
  for (int64_t left; !pause->ended && (left = until_ns - clock_monotonic_ns()) > 0;) {
    wait_at_most(pause, left < NS_PER_SECOND ? left : NS_PER_SECOND);
  }
  bool ended = pause->ended;
  pthread_mutex_unlock(&pause->lock);
  return !ended;
}

void pause_end(struct pause *pause) {
  pthread_mutex_lock(&pause->lock);
  pause->ended = true;
  pthread_cond_signal(&pause->ending);
  pthread_mutex_unlock(&pause->lock);
}
