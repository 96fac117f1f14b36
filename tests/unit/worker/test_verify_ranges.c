// SPDX-License-Identifier: MIT
// Sets of positions as ranges, beside a plain array of flags.
#include "../../../src/worker/verify_internal.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define POSITIONS 400

static void expect_well_formed(const struct ranges *ranges) {
  for (size_t i = 0; i < ranges->count; i++) {
    cr_assert_leq(ranges->items[i].first, ranges->items[i].last);
    cr_assert(i == 0 || ranges->items[i - 1].last + 1 < ranges->items[i].first, "apart, and not touching");
  }
}

static void expect_same(const struct ranges *ranges, const bool flags[POSITIONS]) {
  for (uint64_t position = 0; position < POSITIONS; position++) {
    cr_assert_eq(ranges_have(ranges, position), flags[position], "position %zu", (size_t)position);
  }
}

Test(verify_ranges, any_order_gives_the_same_set) {
  for (unsigned seed = 1; seed <= 50; seed++) {
    struct ranges ranges = {0};
    bool flags[POSITIONS] = {false};
    srand(seed);
    for (int i = 0; i < 600; i++) {
      uint64_t position = (uint64_t)rand() % POSITIONS;
      enum lumin_status expected = flags[position] ? LUMIN_ALREADY_EXISTS : LUMIN_OK;
      cr_assert_eq(ranges_add(&ranges, position), expected);
      flags[position] = true;
      expect_well_formed(&ranges);
    }
    expect_same(&ranges, flags);
    ranges_free(&ranges);
  }
}

Test(verify_ranges, neighbours_become_one_range) {
  struct ranges ranges = {0};
  for (uint64_t position = 1; position <= 9; position += 2) {
    cr_assert_eq(ranges_add(&ranges, position), LUMIN_OK);
  }
  cr_expect_eq(ranges.count, 5);
  for (uint64_t position = 2; position <= 8; position += 2) {
    cr_assert_eq(ranges_add(&ranges, position), LUMIN_OK);
  }
  cr_assert_eq(ranges.count, 1);
  cr_expect_eq(ranges.items[0].first, 1);
  cr_expect_eq(ranges.items[0].last, 9);
  ranges_free(&ranges);
}

Test(verify_ranges, memory_is_bounded) {
  struct ranges ranges = {0};
  for (uint64_t i = 0; i < RANGES_MAX; i++) {
    cr_assert_eq(ranges_add(&ranges, 2 * i), LUMIN_OK);
  }
  cr_expect_eq(ranges_add(&ranges, 2 * (uint64_t)RANGES_MAX), LUMIN_RESOURCE_EXHAUSTED);
  cr_expect_eq(ranges_add(&ranges, 1), LUMIN_OK, "what closes a hole needs no more room");
  cr_expect_eq(ranges.count, RANGES_MAX - 1);
  ranges_free(&ranges);
}
