// SPDX-License-Identifier: MIT
// Bios and reasons for a block: normal form, limits in code points, control characters.
#include "text_cases.h"

#include "lumin/domain/values.h"

static const struct good_text bios[] = {
    {INPUT(""), INPUT("")},
    {INPUT("Counts engines."), INPUT("Counts engines.")},
    {INPUT("Two\nlines\n"), INPUT("Two\nlines\n")},
    {INPUT("Two\r\nlines\r\n\r\n"), INPUT("Two\nlines\n\n")},
    {INPUT("  as it is  "), INPUT("  as it is  ")},
    {INPUT("Andre\u0301"), INPUT("Andr\u00E9")},
    {INPUT("A\u030A \u1112\u1161\u11AB"), INPUT("\u00C5 \uD55C")},
    {INPUT("\u05D0\u202Babc\u202C"), INPUT("\u05D0\u202Babc\u202C")}, // several scripts in one text need them
    {INPUT("\U0001F469\u200D\U0001F469\u200D\U0001F467"), INPUT("\U0001F469\u200D\U0001F469\u200D\U0001F467")},
    {INPUT("\u00A0\u2028\u2029"), INPUT("\u00A0\u2028\u2029")},
};

static const struct bad_text bad_bios[] = {
    {INPUT("a tab\there"), "control character"},
    {INPUT("a bell\a"), "control character"},
    {INPUT("\x1B[31mred text"), "control character"},
    {INPUT("old Mac\rlines"), "control character"},
    {INPUT("carriage\r\r\nreturn"), "control character"},
    {INPUT("delete\x7F this"), "control character"},
    {INPUT("a C1 one\xC2\x9B"), "control character"},
    {INPUT("next line\xC2\x85"), "control character"},
    {INPUT("a NUL\0 byte"), "NUL"},
    {INPUT("\xFF\xFE something"), "UTF-8"},
    {INPUT("overlong \xC0\x8A"), "UTF-8"},
    {INPUT("surrogate \xED\xA0\x80"), "UTF-8"},
};

static const struct good_text reasons[] = {
    {INPUT("spam"), INPUT("spam")},
    {INPUT(" \tspam\n"), INPUT("spam")},
    {INPUT("Andre\u0301"), INPUT("Andr\u00E9")},
    {INPUT("x"), INPUT("x")},
};

static const struct bad_text bad_reasons[] = {
    {INPUT(""), "is empty"},
    {INPUT(" \n\t\u3000"), "is empty"},
    {INPUT("two\nlines here"), "control character"},
    {INPUT("two\r\nlines here"), "control character"},
    {INPUT("a\x1B[31mred one"), "control character"},
    {INPUT("spam\0 and more"), "NUL"},
    {INPUT("\x80 spam spam"), "UTF-8"},
};

Test(bio, takes_good_ones) { EXPECT_GOOD(bio_parse, bios); }
Test(bio, refuses_bad_ones) { EXPECT_BAD(bio_parse, bad_bios); }
Test(block_reason, takes_good_ones) { EXPECT_GOOD(block_reason_parse, reasons); }
Test(block_reason, refuses_bad_ones) { EXPECT_BAD(block_reason_parse, bad_reasons); }

// Counted in code points of the normal form, whatever the bytes are.
static void expect_limit(text_parser *parse, size_t most, const char *message_part) {
  static const struct {
    const char *unit, *value;
  } units[] = {{"x", "x"},
               {"\u00E9", "\u00E9"},
               {"e\u0301", "\u00E9"},
               {"\U0001F600", "\U0001F600"},
               {"\u1112\u1161\u11AB", "\uD55C"}};
  struct arena *arena = arena_create(1 << 20);
  for (size_t i = 0; i < COUNT(units); i++) {
    expect_good_text(parse, repeat(arena, units[i].unit, most), repeat(arena, units[i].value, most));
    expect_bad_text(parse, repeat(arena, units[i].unit, most + 1), message_part);
  }
  expect_bad_text(parse, repeat(arena, "x", 8193), "far too long");
  arena_destroy(arena);
}

Test(bio, limit) { expect_limit(bio_parse, 500, "longer than 500"); }
Test(block_reason, limit) { expect_limit(block_reason_parse, 200, "longer than 200"); }

Test(bio, line_breaks_count_once) {
  struct arena *arena = arena_create(1 << 20);
  expect_good_text(bio_parse, repeat(arena, "\r\n", 500), repeat(arena, "\n", 500));
  arena_destroy(arena);
}

Test(bio, says_no_memory) { expect_no_memory(bio_parse, SPAN_LITERAL("Counts.")); }
Test(block_reason, says_no_memory) { expect_no_memory(block_reason_parse, SPAN_LITERAL("spam")); }
