// SPDX-License-Identifier: MIT
// Phone numbers by E.164: what is taken, in which spelling, and what is refused.
#include "cases.h"

#include "lumin/domain/values.h"

#define FIELD "phone"
#define INPUT(text) SPAN_LITERAL(text)

static struct arena *arena;
static void setup(void) { cr_assert((arena = arena_create(1 << 20))); }
static void teardown(void) { arena_destroy(arena); }
TestSuite(phone, .init = setup, .fini = teardown);

static const struct {
  struct span input;
  const char *phone;
} goods[] = {
    {INPUT("+14155550123"), "+14155550123"},
    {INPUT("+1 (415) 555-0123"), "+14155550123"},
    {INPUT("+1.415.555.0123"), "+14155550123"},
    {INPUT("+44 20 7946 0958"), "+442079460958"},
    {INPUT("+49-30-901820"), "+4930901820"},
    {INPUT("+1((415))  --..5550123"), "+14155550123"},
    {INPUT("+2905123"), "+2905123"},                 // 7 digits: Saint Helena
    {INPUT("+123456789012345"), "+123456789012345"}, // 15 digits
    {INPUT("+1 2 3 4 5 6 7 8 9 0 1 2 3 4 5"), "+123456789012345"},
};

static const struct {
  struct span input;
  const char *message_part;
} bads[] = {
    {INPUT(""), "is empty"},
    {INPUT("14155550123"), "does not begin with +"},
    {INPUT("0014155550123"), "does not begin with +"},
    {INPUT(" +14155550123"), "does not begin with +"},
    {INPUT("(+1)4155550123"), "does not begin with +"},
    {INPUT("tel:+14155550123"), "does not begin with +"},
    {INPUT("+"), "fewer than 7"},
    {INPUT("+290512"), "fewer than 7"},
    {INPUT("+29 05-12"), "fewer than 7"},
    {INPUT("+1234567890123456"), "more than 15"},
    {INPUT("+12345 67890 12345 6"), "more than 15"},
    {INPUT("+04155550123"), "begins with 0"},
    {INPUT("+0"), "begins with 0"},
    {INPUT("+ 14155550123"), "separators between"},
    {INPUT("+(1)4155550123"), "separators between"},
    {INPUT("+14155550123 "), "separators between"},
    {INPUT("+14155550123-)"), "separators between"},
    {INPUT("+-"), "separators between"},
    {INPUT("++14155550123"), "separators between"},
    {INPUT("+1415555012a"), "separators between"},
    {INPUT("+1-800-FLOWERS"), "separators between"},
    {INPUT("+14155550123x42"), "separators between"},
    {INPUT("+14155550123;ext=42"), "separators between"},
    {INPUT("+1\t4155550123"), "separators between"},
    {INPUT("+1\n4155550123"), "separators between"},
    {INPUT("+1/4155550123"), "separators between"},
    {INPUT("+1\u00A04155550123"), "separators between"}, // no-break space
    {INPUT("+１４１５５５５０１２３"), "separators between"},
    {INPUT("+\u0661\u0664\u0661\u0665\u0665\u0665\u0665"), "separators between"}, // Arabic-Indic digits
    {INPUT("＋14155550123"), "does not begin with +"},
    {INPUT("+1415555\0"
           "0123"),
     "NUL"},
    {INPUT("+14155550123\0"), "NUL"},
    {INPUT("+1415555\xC0\xB0"
           "123"),
     "UTF-8"}, // an overlong 0
};

static void expect_bad(struct span input, const char *message_part) {
  struct tight_input copy;
  struct span phone = SPAN_LITERAL("untouched");
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = phone_parse(tight_copy(input, &copy), FIELD, arena, &phone, &refusal);
  free(copy.data);
  cr_assert_eq(status, LUMIN_INVALID_ARGUMENT, "'%.*s' was taken", SPAN_ARGS(input));
  expect_helpful(&refusal, FIELD, input, message_part);
  cr_expect(span_equal(phone, SPAN_LITERAL("untouched")));
}

static void expect_good(struct span input, struct span expected) {
  struct tight_input copy;
  struct span phone;
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = phone_parse(tight_copy(input, &copy), FIELD, arena, &phone, &refusal);
  free(copy.data);
  cr_assert_eq(status, LUMIN_OK, "'%.*s' refused: %.*s", SPAN_ARGS(input), SPAN_ARGS(refusal.message));
  cr_expect(span_equal(phone, expected), "'%.*s' gave '%.*s'", SPAN_ARGS(input), SPAN_ARGS(phone));
}

Test(phone, takes_good_ones_and_their_own_spelling_again) {
  for (size_t i = 0; i < COUNT(goods); i++) {
    expect_good(goods[i].input, span_from_text(goods[i].phone));
    expect_good(span_from_text(goods[i].phone), span_from_text(goods[i].phone));
  }
}

Test(phone, refuses_bad_ones_with_a_reason) {
  for (size_t i = 0; i < COUNT(bads); i++)
    expect_bad(bads[i].input, bads[i].message_part);
}

Test(phone, refuses_too_many_bytes) {
  expect_bad(repeat(arena, "+1 (", 257), "far too long");
  expect_bad(repeat(arena, "+1 (", 256), "separators between");
}

Test(phone, says_no_memory_and_nothing_else) {
  struct arena *small ARENA_SCOPED = arena_create(4);
  cr_assert(small);
  struct span phone = SPAN_EMPTY;
  struct refusal refusal = {.reason = LUMIN_OK};
  cr_expect_eq(phone_parse(SPAN_LITERAL("+14155550123"), FIELD, small, &phone, &refusal), LUMIN_NO_MEMORY);
  cr_expect_eq(refusal.reason, LUMIN_OK);
  cr_expect_null(phone.data);
}
