// SPDX-License-Identifier: MIT
// Birth dates: the calendar's days, the form of ISO 8601, and "today" by the command's time in UTC. Ends of blocks by
// the same clock.
#include "text_cases.h"

#include "lumin/domain/values.h"

#define S INT64_C(1000000000)
#define NOON_2026_07_28 (1785240000 * S)

static int64_t now_ns = NOON_2026_07_28;

static enum lumin_status parse(struct span input, const char *field, struct arena *arena, struct span *ret_date,
                               struct refusal *ret_refusal) {
  const struct birth_date_rule rule = {field, now_ns};
  return birth_date_parse(input, &rule, arena, ret_date, ret_refusal);
}

#define SAME(text)                                                                                                     \
  { INPUT(text), INPUT(text) }
static const struct good_text goods[] = {
    SAME("1900-01-01"), SAME("1999-12-31"), SAME("2000-02-29"), // a leap year by the rule of 400
    SAME("1904-02-29"), SAME("2024-02-29"), SAME("1975-04-30"),
    SAME("1975-01-31"), SAME("2026-07-28"), SAME("1900-02-28"),
};

static const struct bad_text bads[] = {
    {INPUT("1899-12-31"), "before 1900"},
    {INPUT("0001-01-01"), "before 1900"},
    {INPUT("2026-07-29"), "in the future"},
    {INPUT("9999-12-31"), "in the future"},
    {INPUT("1900-02-29"), "does not have"}, // no leap year by the rule of 100
    {INPUT("2025-02-29"), "does not have"},
    {INPUT("2024-02-30"), "does not have"},
    {INPUT("1975-04-31"), "does not have"},
    {INPUT("1975-06-31"), "does not have"},
    {INPUT("1975-09-31"), "does not have"},
    {INPUT("1975-11-31"), "does not have"},
    {INPUT("1975-01-32"), "does not have"},
    {INPUT("1975-00-10"), "does not have"},
    {INPUT("1975-13-10"), "does not have"},
    {INPUT("1975-10-00"), "does not have"},
    {INPUT("2100-02-29"), "does not have"},
    {INPUT(""), "form yyyy-mm-dd"},
    {INPUT("1975-1-1"), "form yyyy-mm-dd"},
    {INPUT("75-01-01"), "form yyyy-mm-dd"},
    {INPUT("19750101"), "form yyyy-mm-dd"},
    {INPUT("1975/01/01"), "form yyyy-mm-dd"},
    {INPUT("01.01.1975"), "form yyyy-mm-dd"},
    {INPUT("1975-01-01T00:00:00Z"), "form yyyy-mm-dd"},
    {INPUT("1975-01-01 "), "form yyyy-mm-dd"},
    {INPUT(" 1975-01-01"), "form yyyy-mm-dd"},
    {INPUT("+975-01-01"), "form yyyy-mm-dd"},
    {INPUT("-975-01-01"), "form yyyy-mm-dd"},
    {INPUT("1975-01-1a"), "form yyyy-mm-dd"},
    {INPUT("1975-W03-4"), "form yyyy-mm-dd"},
    {INPUT("1975--1-01"), "form yyyy-mm-dd"},
    {INPUT("\u0661\u0669\u0667\u0665-01"), "form yyyy-mm-dd"},
    {INPUT("1975-01-0\0"), "NUL"},
    {INPUT("1975-01-\xFF\xFF"), "UTF-8"},
};

Test(birth_date, takes_days_of_the_calendar) { EXPECT_GOOD(parse, goods); }
Test(birth_date, refuses_the_rest_with_a_reason) { EXPECT_BAD(parse, bads); }
Test(birth_date, says_no_memory) { expect_no_memory(parse, SPAN_LITERAL("1975-01-01")); }

// The day changes at midnight UTC, to the nanosecond; all along a leap year and a century's turn.
Test(birth_date, today_is_the_commands_day_in_utc) {
  static const struct {
    int64_t begin_s; // of the day
    const char *day, *next;
  } days[] = {
      {0, "1970-01-01", "1970-01-02"},          {-86400, "1969-12-31", "1970-01-01"},
      {951696000, "2000-02-28", "2000-02-29"},  {951782400, "2000-02-29", "2000-03-01"},
      {1078012800, "2004-02-29", "2004-03-01"}, {1798675200, "2026-12-31", "2027-01-01"},
      {4107456000, "2100-02-28", "2100-03-01"}, {-2208988800, "1900-01-01", "1900-01-02"},
      {9223286400, "2262-04-11", "2262-04-12"},
  };
  for (size_t i = 0; i < COUNT(days); i++) {
    const struct span day = span_from_text(days[i].day), next = span_from_text(days[i].next);
    now_ns = days[i].begin_s * S;
    expect_good_text(parse, day, day);
    expect_bad_text(parse, next, "in the future");
    if (i + 1 < COUNT(days)) { // the last is cut short by the end of time
      now_ns = days[i].begin_s * S + (86400 * S - 1);
      expect_good_text(parse, day, day);
      expect_bad_text(parse, next, "in the future");
    }
    now_ns = days[i].begin_s * S - 1;
    expect_bad_text(parse, day, "in the future");
  }
}

// ---- ends of blocks

static const struct {
  struct block_until until;
  int64_t until_ns; // 0: refused
} untils[] = {
    {{1785240000, 1}, NOON_2026_07_28 + 1},
    {{1785240001, 0}, NOON_2026_07_28 + S},
    {{9223372035, 999999999}, 9223372035 * S + 999999999},
    {{1785240000, 0}, 0},
    {{1785239999, 999999999}, 0},
    {{0, 0}, 0},
    {{-1, 0}, 0},
    {{1785240001, -1}, 0},
    {{1785240001, 1000000000}, 0},
    {{1785240001, INT32_MAX}, 0},
    {{1785240001, INT32_MIN}, 0},
    {{9223372036, 0}, 0},
    {{INT64_MAX, 0}, 0},
    {{INT64_MIN, 0}, 0},
};

Test(block_until, is_later_than_the_command) {
  for (size_t i = 0; i < COUNT(untils); i++) {
    int64_t until_ns = -7;
    struct refusal refusal = {.reason = LUMIN_OK};
    enum lumin_status status = block_until_parse(untils[i].until, NOON_2026_07_28, "until", &until_ns, &refusal);
    if (untils[i].until_ns != 0) {
      cr_expect_eq(status, LUMIN_OK, "case %zu", i);
      cr_expect_eq(until_ns, untils[i].until_ns, "case %zu", i);
    } else {
      cr_expect_eq(status, LUMIN_INVALID_ARGUMENT, "case %zu", i);
      cr_expect_eq(until_ns, -7);
      expect_helpful(&refusal, "until", SPAN_EMPTY, "the end of the block");
    }
  }
}

// ---- settings

Test(visibility, numbers) {
  static const int bad[] = {-1, 4, 5, 255, 256, 257, INT32_MAX, INT32_MIN};
  for (int number = 0; number <= 3; number++) {
    uint8_t visibility = 77;
    struct refusal refusal = {.reason = LUMIN_OK};
    cr_expect_eq(visibility_parse(number, "privacy_settings.bio", &visibility, &refusal), LUMIN_OK);
    cr_expect_eq(visibility, number);
  }
  for (size_t i = 0; i < COUNT(bad); i++) {
    uint8_t visibility = 77;
    struct refusal refusal = {.reason = LUMIN_OK};
    cr_expect_eq(visibility_parse(bad[i], "privacy_settings.bio", &visibility, &refusal), LUMIN_INVALID_ARGUMENT);
    expect_helpful(&refusal, "privacy_settings.bio", SPAN_EMPTY, "no such visibility");
    cr_expect_eq(visibility, 77);
  }
}
