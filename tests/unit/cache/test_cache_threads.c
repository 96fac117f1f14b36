// SPDX-License-Identifier: MIT
// The cache among threads: nobody is given less than was told.
#include <criterion/criterion.h>

#include "cache_stress.h"

Test(cache_threads, nobody_is_given_less_than_was_told, .timeout = 110) {
  struct stress_result result = stress_run();
  cr_assert(result.ran);
  cr_expect_eq(result.wrong, 0, "%llu answers were older than what had been told, or no state at all",
               (unsigned long long)result.wrong);
  cr_expect_gt(result.hits, 100);
  cr_expect_gt(result.counters.outrun, 0, "no state crossed a change");
  cr_expect_gt(result.counters.changes, 100);
  cr_expect_gt(result.counters.evictions, 100);
  cr_expect_gt(result.counters.suspicions, 1);
  cr_expect_leq(result.counters.bytes, STRESS_ROOM);
}
