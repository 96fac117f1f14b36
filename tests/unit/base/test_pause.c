// SPDX-License-Identifier: MIT
#include "lumin/base/pause.h"

#include <criterion/criterion.h>

#include "lumin/base/clock.h"

static void *ending(void *pause) {
  pause_end(pause);
  return NULL;
}

Test(pause, lasts_as_long_as_it_is_asked_to) {
  struct pause pause;
  cr_assert_eq(pause_init(&pause), LUMIN_OK);
  int64_t until = clock_monotonic_ns() + 20 * NS_PER_MS;
  cr_assert(pause_until(&pause, until));
  cr_assert_geq(clock_monotonic_ns(), until);
  cr_assert(pause_until(&pause, 0), "a time that is over");
  pause_finish(&pause);
}

Test(pause, is_ended_by_another_thread_and_stays_ended) {
  struct pause pause;
  pthread_t other;
  cr_assert_eq(pause_init(&pause), LUMIN_OK);
  cr_assert_eq(pthread_create(&other, NULL, ending, &pause), 0);
  cr_assert_not(pause_until(&pause, INT64_MAX));
  pthread_join(other, NULL);
  cr_assert_not(pause_until(&pause, 0));
  pause_finish(&pause);
}
