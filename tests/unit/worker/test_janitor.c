// SPDX-License-Identifier: MIT
// What the janitor may purge: never a command that is not applied, and no more than makes room.
#include <criterion/criterion.h>

#include "../../../src/worker/janitor_internal.h"

static uint64_t end_of(uint64_t first, uint64_t messages, uint64_t high_water, uint64_t applied) {
  struct js_stream_info stream = {.first_seq = first, .last_seq = first + messages - 1, .messages = messages};
  return purge_end(&stream, high_water, applied);
}

Test(janitor, below_the_mark_everything_stays) {
  cr_assert_eq(end_of(1, 800, 800, 800), 0);
  cr_assert_eq(end_of(1, 0, 800, 0), 0);
}

Test(janitor, above_the_mark_a_sixteenth_more_than_the_excess_goes) {
  cr_assert_eq(end_of(1, 900, 800, 900), 1 + 100 + 50);
  cr_assert_eq(end_of(5001, 900, 800, 5900), 5001 + 100 + 50);
}

Test(janitor, what_is_not_applied_stays_and_the_last_that_is) {
  cr_assert_eq(end_of(1, 900, 800, 40), 40, "all that is applied but the last");
  cr_assert_eq(end_of(1, 900, 800, 2), 2);
  cr_assert_eq(end_of(1, 900, 800, 1), 0);
  cr_assert_eq(end_of(1, 900, 800, 0), 0, "a partition that has applied nothing");
  cr_assert_eq(end_of(101, 900, 800, 100), 0, "applied, and gone already");
  cr_assert_eq(end_of(101, 900, 800, 102), 102);
}
