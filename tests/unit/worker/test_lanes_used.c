// SPDX-License-Identifier: MIT
// How many lanes own partitions, and which.
#include "../../../src/worker/lanes_used.h"

#include <criterion/criterion.h>

Test(lanes_used, a_worker_alone_uses_all_and_one_among_many_uses_one) {
  for (unsigned lanes = 1; lanes <= 64; lanes++) {
    cr_assert_eq(lanes_wanted(lanes, 0), lanes);
    cr_assert_eq(lanes_wanted(lanes, lanes), 1);
    cr_assert_eq(lanes_wanted(lanes, 1000), 1);
  }
}

Test(lanes_used, together_as_many_as_one_has_and_less_than_one_each_more) {
  for (unsigned lanes = 1; lanes <= 64; lanes++)
    for (unsigned workers = 1; workers <= 70; workers++) {
      unsigned together = workers * lanes_wanted(lanes, workers - 1);
      cr_assert(together >= lanes && together < lanes + workers, "%u of %u lanes", workers, lanes);
    }
}

Test(lanes_used, by_number_and_only_of_those_that_are_able) {
  cr_assert_eq(lanes_choose(0, 0, 2), 0);
  cr_assert_eq(lanes_choose(0xf, 0, 0), 0);
  cr_assert_eq(lanes_choose(0xf, 0, 1), 0x1);
  cr_assert_eq(lanes_choose(0xf, 0, 2), 0x3);
  cr_assert_eq(lanes_choose(0xc, 0, 1), 0x4);
  cr_assert_eq(lanes_choose(0xa, 0, 4), 0xa, "no more than there are");
  cr_assert_eq(lanes_choose(UINT64_MAX, 0, 64), UINT64_MAX);
}

Test(lanes_used, those_in_use_stay) {
  cr_assert_eq(lanes_choose(0xf, 0x8, 1), 0x8);
  cr_assert_eq(lanes_choose(0xf, 0x8, 2), 0x9);
  cr_assert_eq(lanes_choose(0xf, 0xe, 2), 0x6);
  cr_assert_eq(lanes_choose(0x7, 0x8, 1), 0x1, "unless they are not able any more");
  cr_assert_eq(lanes_choose(UINT64_C(1) << 63, 0, 1), UINT64_C(1) << 63);
}
