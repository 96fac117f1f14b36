// SPDX-License-Identifier: MIT
// Clocks and RFC 3339, held against libc's calendar.
#include "lumin/base/clock.h"

#include <criterion/criterion.h>
#include <time.h>

static int64_t parsed(const char *text) {
  int64_t wall_ns = -1;
  cr_assert_eq(clock_parse_rfc3339(span_from_text(text), &wall_ns), LUMIN_OK, "%s", text);
  return wall_ns;
}

static void assert_formats(int64_t wall_ns, const char *expected) {
  char text[CLOCK_RFC3339_MAX];
  size_t len = clock_format_rfc3339(wall_ns, text);
  cr_assert_str_eq(text, expected);
  cr_assert_eq(len, strlen(expected));
}

Test(clock, both_clocks_go_forward_and_the_wall_clock_is_libcs) {
  int64_t before = clock_monotonic_ns();
  time_t wall = time(NULL);
  int64_t ours = clock_wall_ns() / NS_PER_SECOND;
  cr_assert(ours >= wall && ours <= wall + 5);
  nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
  cr_assert_geq(clock_monotonic_ns() - before, 2 * NS_PER_MS);
}

Test(clock, known_instants_both_ways) {
  static const struct {
    int64_t wall_ns;
    const char *text;
  } known[] = {
      {0, "1970-01-01T00:00:00.000000000Z"},
      {-1, "1969-12-31T23:59:59.999999999Z"},
      {INT64_C(1795299614123456789), "2026-11-21T22:20:14.123456789Z"},
      {INT64_C(951782400) * NS_PER_SECOND, "2000-02-29T00:00:00.000000000Z"},
      {INT64_C(4107542399) * NS_PER_SECOND, "2100-02-28T23:59:59.000000000Z"},
      {INT64_C(4107542400) * NS_PER_SECOND, "2100-03-01T00:00:00.000000000Z"},
      {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
      {INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    assert_formats(known[i].wall_ns, known[i].text);
    cr_assert_eq(parsed(known[i].text), known[i].wall_ns, "%s", known[i].text);
  }
}

Test(clock, every_day_agrees_with_libc) {
  for (time_t day = -106751; day <= 106750; day++) {
    time_t second = day * 86400 + (day % 86400 + 86400) % 86400; // another time of the day each day
    struct tm tm;
    char expected[64];
    gmtime_r(&second, &tm);
    strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000000Z", &tm);
    assert_formats(second * NS_PER_SECOND, expected);
    cr_assert_eq(parsed(expected), second * NS_PER_SECOND, "%s", expected);
  }
}

Test(clock, fractions_offsets_and_small_letters) {
  int64_t at = parsed("2026-11-21T22:20:14Z");
  cr_assert_eq(parsed("2026-11-21t22:20:14z"), at);
  cr_assert_eq(parsed("2026-11-21T22:20:14.5Z"), at + 500 * NS_PER_MS);
  cr_assert_eq(parsed("2026-11-21T22:20:14.000000001Z"), at + 1);
  cr_assert_eq(parsed("2026-11-21T22:20:14.120Z"), at + 120 * NS_PER_MS);
  cr_assert_eq(parsed("2026-11-21T22:20:14+00:00"), at);
  cr_assert_eq(parsed("2026-11-21T22:20:14-00:00"), at);
  cr_assert_eq(parsed("2026-11-22T03:50:14+05:30"), at);
  cr_assert_eq(parsed("2026-11-21T14:20:14-08:00"), at);
  cr_assert_eq(parsed("2026-11-22T22:19:14.000+23:59"), at);
  cr_assert_eq(parsed("2024-03-01T00:30:00+01:00"), parsed("2024-02-29T23:30:00Z"));
}

Test(clock, a_leap_second_ends_a_utc_day_only) {
  cr_assert_eq(parsed("1990-12-31T23:59:60Z"), parsed("1991-01-01T00:00:00Z"));
  cr_assert_eq(parsed("1990-12-31T15:59:60-08:00"), parsed("1991-01-01T00:00:00Z"));
  int64_t untouched = 7;
  cr_assert_eq(clock_parse_rfc3339(SPAN_LITERAL("1990-12-31T23:59:60-08:00"), &untouched), LUMIN_INVALID_ARGUMENT);
  cr_assert_eq(clock_parse_rfc3339(SPAN_LITERAL("1990-12-31T12:30:60Z"), &untouched), LUMIN_INVALID_ARGUMENT);
  cr_assert_eq(untouched, 7);
}

Test(clock, offsets_reach_over_the_ends_of_the_range) {
  cr_assert_eq(parsed("2262-04-12T00:47:16.854775807+01:00"), INT64_MAX);
  cr_assert_eq(parsed("1677-09-20T23:12:43.145224192-01:00"), INT64_MIN);
}

Test(clock, bad_input_is_refused_and_leaves_the_output_alone) {
  static const struct span bad[] = {
      SPAN_EMPTY,
      SPAN_LITERAL("2026-11-21"),
      SPAN_LITERAL("2026-11-21T22:20:14"),
      SPAN_LITERAL("2026-11-21 22:20:14Z"),
      SPAN_LITERAL("2026-11-21T22:20Z"),
      SPAN_LITERAL("2026-11-21T22:20:14.Z"),
      SPAN_LITERAL("2026-11-21T22:20:14.1234567890Z"),
      SPAN_LITERAL("2026-11-21T22:20:14,5Z"),
      SPAN_LITERAL("2026-11-21T22:20:14Z "),
      SPAN_LITERAL("2026-11-21T22:20:14Z\0"),
      SPAN_LITERAL("2026-11-21T22:20:14\0Z"),
      SPAN_LITERAL(" 2026-11-21T22:20:14Z"),
      SPAN_LITERAL("2026-11-21T22:20:14+0100"),
      SPAN_LITERAL("2026-11-21T22:20:14+01"),
      SPAN_LITERAL("2026-11-21T22:20:14+24:00"),
      SPAN_LITERAL("2026-11-21T22:20:14+01:60"),
      SPAN_LITERAL("2026-11-21T24:00:00Z"),
      SPAN_LITERAL("2026-11-21T22:60:14Z"),
      SPAN_LITERAL("2026-11-21T22:20:61Z"),
      SPAN_LITERAL("2026-00-21T22:20:14Z"),
      SPAN_LITERAL("2026-13-21T22:20:14Z"),
      SPAN_LITERAL("2026-11-00T22:20:14Z"),
      SPAN_LITERAL("2026-11-31T22:20:14Z"),
      SPAN_LITERAL("2026-02-29T22:20:14Z"),
      SPAN_LITERAL("2024-02-30T22:20:14Z"),
      SPAN_LITERAL("2100-02-29T22:20:14Z"),
      SPAN_LITERAL("1900-02-29T22:20:14Z"),
      SPAN_LITERAL("26-11-21T22:20:14Z"),
      SPAN_LITERAL("+026-11-21T22:20:14Z"),
      SPAN_LITERAL("12026-11-21T22:20:14Z"),
      SPAN_LITERAL("2026-1-21T22:20:14Z"),
      SPAN_LITERAL("2026-11-21T-1:20:14Z"),
      SPAN_LITERAL("2262-04-11T23:47:16.854775808Z"),
      SPAN_LITERAL("1677-09-21T00:12:43.145224191Z"),
      SPAN_LITERAL("9999-12-31T23:59:59Z"),
      SPAN_LITERAL("0000-01-01T00:00:00Z"),
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t wall_ns = 7;
    cr_assert_eq(clock_parse_rfc3339(bad[i], &wall_ns), LUMIN_INVALID_ARGUMENT, "row %zu: %.*s", i, SPAN_ARGS(bad[i]));
    cr_assert_eq(wall_ns, 7, "row %zu", i);
  }
}

Test(clock, no_cut_text_is_taken) {
  static const char whole[] = "2026-11-21T22:20:14.123+01:00";
  for (size_t len = 0; len < sizeof whole - 1; len++) {
    int64_t wall_ns;
    cr_assert_eq(clock_parse_rfc3339(span_of(whole, len), &wall_ns), LUMIN_INVALID_ARGUMENT, "%zu bytes", len);
  }
}
