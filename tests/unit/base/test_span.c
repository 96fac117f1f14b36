// SPDX-License-Identifier: MIT
// Spans: no byte ends them early, and the empty ones are as good as any other.
#include "lumin/base/span.h"

#include <criterion/criterion.h>

Test(span, equality_counts_bytes_behind_a_nul) {
  cr_assert(span_equal(SPAN_LITERAL("a\0b"), SPAN_LITERAL("a\0b")));
  cr_assert_not(span_equal(SPAN_LITERAL("a\0b"), SPAN_LITERAL("a\0c")));
  cr_assert_not(span_equal(SPAN_LITERAL("a"), SPAN_LITERAL("a\0")));
  cr_assert(span_equal(SPAN_EMPTY, SPAN_LITERAL("")));
}

Test(span, a_prefix_sorts_before_what_it_begins) {
  cr_assert_lt(span_compare(SPAN_LITERAL("ab"), SPAN_LITERAL("abc")), 0);
  cr_assert_gt(span_compare(SPAN_LITERAL("abc"), SPAN_LITERAL("ab")), 0);
  cr_assert_lt(span_compare(SPAN_EMPTY, SPAN_LITERAL("a")), 0);
  cr_assert_eq(span_compare(SPAN_EMPTY, SPAN_LITERAL("")), 0);
  cr_assert_eq(span_compare(SPAN_LITERAL("abc"), SPAN_LITERAL("abc")), 0);
}

Test(span, order_is_by_unsigned_bytes) {
  cr_assert_gt(span_compare(SPAN_LITERAL("\xff"), SPAN_LITERAL("a")), 0);
  cr_assert_lt(span_compare(SPAN_LITERAL("a\0a"), SPAN_LITERAL("a\0b")), 0);
  cr_assert_lt(span_compare(SPAN_LITERAL("az"), SPAN_LITERAL("b")), 0);
}

Test(span, prefixes_and_skipping) {
  cr_assert(span_starts_with(SPAN_LITERAL("lumin.user"), SPAN_LITERAL("lumin.")));
  cr_assert(span_starts_with(SPAN_EMPTY, SPAN_EMPTY));
  cr_assert_not(span_starts_with(SPAN_LITERAL("lum"), SPAN_LITERAL("lumin")));
  cr_assert(span_equal(span_skip(SPAN_LITERAL("abc"), 1), SPAN_LITERAL("bc")));
  cr_assert_eq(span_skip(SPAN_LITERAL("abc"), 4).len, 0);
  cr_assert_null(span_skip(SPAN_EMPTY, 4).data);
}

Test(span, cutting_gives_one_token_after_the_other) {
  struct span rest = SPAN_LITERAL("one..three");
  cr_assert(span_equal(span_cut(&rest, '.'), SPAN_LITERAL("one")));
  cr_assert(span_equal(rest, SPAN_LITERAL(".three")));
  cr_assert_eq(span_cut(&rest, '.').len, 0);
  cr_assert(span_equal(span_cut(&rest, '.'), SPAN_LITERAL("three")));
  cr_assert_eq(rest.len, 0);
  cr_assert_eq(span_cut(&rest, '.').len, 0);
}

Test(span, cutting_passes_over_a_nul_and_takes_an_empty_span) {
  struct span rest = SPAN_LITERAL("a\0b.c");
  cr_assert(span_equal(span_cut(&rest, '.'), SPAN_LITERAL("a\0b")));
  cr_assert(span_equal(rest, SPAN_LITERAL("c")));
  rest = SPAN_EMPTY;
  cr_assert_eq(span_cut(&rest, '.').len, 0);
  cr_assert_eq(rest.len, 0);
}

Test(span, decimal_numbers_up_to_64_bits) {
  uint64_t value;
  cr_assert(span_to_u64(SPAN_LITERAL("0"), &value) && value == 0);
  cr_assert(span_to_u64(SPAN_LITERAL("0042"), &value) && value == 42);
  cr_assert(span_to_u64(SPAN_LITERAL("18446744073709551615"), &value) && value == UINT64_MAX);
}

Test(span, everything_else_is_no_number_and_leaves_the_output_alone) {
  static const struct span bad[] = {
      SPAN_EMPTY,
      SPAN_LITERAL(""),
      SPAN_LITERAL("-1"),
      SPAN_LITERAL("+1"),
      SPAN_LITERAL(" 1"),
      SPAN_LITERAL("1 "),
      SPAN_LITERAL("1\0"),
      SPAN_LITERAL("1a"),
      SPAN_LITERAL("0x1"),
      SPAN_LITERAL("/"),
      SPAN_LITERAL(":"),
      SPAN_LITERAL("18446744073709551616"),
      SPAN_LITERAL("99999999999999999999"),
      SPAN_LITERAL("184467440737095516150"),
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    uint64_t value = 77;
    cr_assert_not(span_to_u64(bad[i], &value), "row %zu", i);
    cr_assert_eq(value, 77, "row %zu", i);
  }
}
