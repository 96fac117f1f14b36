// SPDX-License-Identifier: MIT
// Names: normal form, trimming, limits in code points, and the characters that no name has.
#include "cases.h"

#include "lumin/domain/values.h"

#define FIELD "first_name"
#define INPUT(text) SPAN_LITERAL(text)

static struct arena *arena;
static void setup(void) { cr_assert((arena = arena_create(1 << 20))); }
static void teardown(void) { arena_destroy(arena); }
TestSuite(name, .init = setup, .fini = teardown);

typedef enum lumin_status name_parser(struct span, const char *, struct arena *, struct span *, struct refusal *);

static const struct {
  struct span input;
  struct span name;
} goods[] = {
    {INPUT("Ada"), INPUT("Ada")},
    {INPUT("X"), INPUT("X")},
    {INPUT("Jean-Luc O'Neill, Jr."), INPUT("Jean-Luc O'Neill, Jr.")},
    {INPUT("Anna  Maria"), INPUT("Anna  Maria")}, // white space within is the person's
    {INPUT("山田"), INPUT("山田")},
    {INPUT("Ångström"), INPUT("\u00C5ngstr\u00F6m")},
    // NFC: composed, reordered, singletons, Hangul, what is excluded from composition.
    {INPUT("Andre\u0301"), INPUT("Andr\u00E9")},
    {INPUT("A\u030Angstro\u0308m"), INPUT("\u00C5ngstr\u00F6m")},
    {INPUT("\u212Bngstrom"), INPUT("\u00C5ngstrom")},
    {INPUT("q\u0307\u0323"), INPUT("q\u0323\u0307")},
    {INPUT("s\u0307\u0323"), INPUT("\u1E69")},
    {INPUT("\u1112\u1161\u11AB"), INPUT("\uD55C")},
    {INPUT("\u0958"), INPUT("\u0915\u093C")},
    {INPUT("ﬁ"), INPUT("ﬁ")}, // a ligature is a matter of compatibility, and stays
    // Trimmed: all of White_Space.
    {INPUT(" \t\r\n\v\fAda\t "), INPUT("Ada")},
    {INPUT("\xC2\x85\u00A0\u1680Ada\u2000\u2001\u200A"), INPUT("Ada")},
    {INPUT("\u2028\u2029\u202F\u205F\u3000Ada\u3000"), INPUT("Ada")},
    {INPUT("\u3000Ada Lovelace\u2003"), INPUT("Ada Lovelace")},
    // Joiners and marks are needed by scripts; emoji are let be.
    {INPUT("علی\u200Cرضا"), INPUT("علی\u200Cرضا")},
    {INPUT("श्री\u200D"), INPUT("श्री\u200D")},
    {INPUT("👩\u200D👩\u200D👧"), INPUT("👩\u200D👩\u200D👧")},
    {INPUT("\u200Fמשה\u200F"), INPUT("\u200Fמשה\u200F")}, // a mark of direction, no override
    {INPUT("\uFF21"), INPUT("\uFF21")},
};

static const struct {
  struct span input;
  const char *message_part;
} bads[] = {
    {INPUT("Ada\tLovelace"), "control character"},
    {INPUT("Ada\nLovelace"), "control character"},
    {INPUT("Ada\x1B[31m"), "control character"},
    {INPUT("Ada\x7F Lovelace"), "control character"},
    {INPUT("Ada\xC2\x85Lovelace"), "control character"},
    {INPUT("Ada\u2028Lovelace"), "line or paragraph separator"},
    {INPUT("Ada\u2029Lovelace"), "line or paragraph separator"},
    {INPUT("Ada\u202ELovelace"), "overrides the direction"},
    {INPUT("\u202AAda\u202C"), "overrides the direction"},
    {INPUT("\u2066Ada\u2069"), "overrides the direction"},
    {INPUT("Ada\u2068"), "overrides the direction"},
    {INPUT("Ada \u0378 Lovelace"), "does not assign"},
    {INPUT("Ada\uFFFE Lovelace"), "does not assign"},
    {INPUT("Ada\U0010FFFF"), "does not assign"},
    {INPUT("Ada\0"), "NUL"},
    {INPUT("\0Ada"), "NUL"},
    {INPUT("Andr\xE9 Marie"), "UTF-8"},
    {INPUT("Ada\xC1\x81 Love"), "UTF-8"},            // an overlong A
    {INPUT("Ada\xF0\x82\x82\xAC"), "UTF-8"},         // an overlong euro sign
    {INPUT("Ada\xED\xA0\xBD\xED\xB8\x80"), "UTF-8"}, // a pair of surrogates
    {INPUT("Ada\xF5\x80\x80\x80"), "UTF-8"},         // beyond U+10FFFF
    {INPUT("Ada Love\xE2\x82"), "UTF-8"},            // cut short
    {INPUT("\x80 Ada Love"), "UTF-8"},               // begins in the middle
};

static void expect_good(name_parser *parse, struct span input, struct span expected) {
  struct tight_input copy;
  struct span name;
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = parse(tight_copy(input, &copy), FIELD, arena, &name, &refusal);
  free(copy.data);
  cr_assert_eq(status, LUMIN_OK, "'%.*s' refused: %.*s", SPAN_ARGS(input), SPAN_ARGS(refusal.message));
  cr_expect_eq(refusal.reason, LUMIN_OK);
  cr_expect(span_equal(name, expected), "'%.*s' gave '%.*s'", SPAN_ARGS(input), SPAN_ARGS(name));
}

static void expect_bad(name_parser *parse, struct span input, const char *message_part) {
  struct tight_input copy;
  struct span name = SPAN_LITERAL("untouched");
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = parse(tight_copy(input, &copy), FIELD, arena, &name, &refusal);
  free(copy.data);
  cr_assert_eq(status, LUMIN_INVALID_ARGUMENT, "'%.*s' was taken", SPAN_ARGS(input));
  expect_helpful(&refusal, FIELD, input, message_part);
  cr_expect(span_equal(name, SPAN_LITERAL("untouched")));
}

Test(name, takes_good_ones_in_their_normal_form) {
  for (size_t i = 0; i < COUNT(goods); i++) {
    expect_good(first_name_parse, goods[i].input, goods[i].name);
    expect_good(first_name_parse, goods[i].name, goods[i].name);
    expect_good(last_name_parse, goods[i].input, goods[i].name);
  }
}

Test(name, refuses_bad_ones_with_a_reason) {
  for (size_t i = 0; i < COUNT(bads); i++) {
    expect_bad(first_name_parse, bads[i].input, bads[i].message_part);
    expect_bad(last_name_parse, bads[i].input, bads[i].message_part);
  }
}

Test(name, only_the_last_name_may_be_empty) {
  const struct span empties[] = {SPAN_EMPTY, INPUT(""), INPUT(" "), INPUT("\u3000\n\u00A0")};
  for (size_t i = 0; i < COUNT(empties); i++) {
    expect_bad(first_name_parse, empties[i], "is empty");
    expect_good(last_name_parse, empties[i], SPAN_EMPTY);
  }
}

// 64 code points, of whatever width, after normalising and trimming.
Test(name, limit_is_in_code_points) {
  const char *const units[] = {"a", "é", "山", "😀"};
  for (size_t i = 0; i < COUNT(units); i++) {
    expect_good(first_name_parse, repeat(arena, units[i], 64), repeat(arena, units[i], 64));
    expect_good(last_name_parse, repeat(arena, units[i], 64), repeat(arena, units[i], 64));
    expect_bad(first_name_parse, repeat(arena, units[i], 65), "longer than 64");
    expect_bad(last_name_parse, repeat(arena, units[i], 65), "longer than 64");
  }
  expect_good(first_name_parse, repeat(arena, "e\u0301", 64), repeat(arena, "é", 64));
  expect_bad(first_name_parse, repeat(arena, "e\u0301", 65), "longer than 64");
  // Normalising can also make it longer.
  expect_bad(first_name_parse, repeat(arena, "\u0958", 33), "longer than 64");
  struct span padded = arena_printf(arena, "   %s   ", repeat(arena, "a", 64).data);
  expect_good(first_name_parse, padded, repeat(arena, "a", 64));
}

Test(name, refuses_too_many_bytes_before_it_looks_at_them) {
  expect_bad(first_name_parse, repeat(arena, "\xFF", 1025), "far too long");
  expect_bad(first_name_parse, repeat(arena, "\u0390", 512), "longer than 64"); // three code points each, decomposed
  expect_good(last_name_parse, repeat(arena, " ", 1024), SPAN_EMPTY);
}

Test(name, says_no_memory_and_nothing_else) {
  struct arena *small ARENA_SCOPED = arena_create(4);
  cr_assert(small);
  struct span name = SPAN_EMPTY;
  struct refusal refusal = {.reason = LUMIN_OK};
  cr_expect_eq(first_name_parse(SPAN_LITERAL("Ada"), FIELD, small, &name, &refusal), LUMIN_NO_MEMORY);
  cr_expect_eq(refusal.reason, LUMIN_OK);
  cr_expect_null(name.data);
}
