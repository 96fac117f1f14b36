// SPDX-License-Identifier: MIT
// A thread's sleep that another thread can end for good.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lumin/base/status.h"

struct pause {
  pthread_mutex_t lock;
  pthread_cond_t ending;
  bool ended; // under the lock
};

LUMIN_MUST_USE enum lumin_status pause_init(struct pause *pause); // NO_MEMORY
void pause_finish(struct pause *pause);
// Sleeps until `until_ns` (clock_monotonic_ns). False: it was ended, before or meanwhile.
bool pause_until(struct pause *pause, int64_t until_ns);
void pause_end(struct pause *pause); // any thread
