// SPDX-License-Identifier: MIT
// Tables of good and bad spellings for values whose parser gives one text.
#pragma once

#include "cases.h"

#define INPUT(text) SPAN_LITERAL(text)

typedef enum lumin_status text_parser(struct span, const char *, struct arena *, struct span *, struct refusal *);

struct good_text {
  struct span input, value;
};
struct bad_text {
  struct span input;
  const char *message_part;
};

// Taken, in its own spelling, which is taken again as it is.
static inline void expect_good_text(text_parser *parse, struct span input, struct span value) {
  struct arena *arena = arena_create(1 << 20);
  cr_assert(arena);
  for (int again = 0; again < 2; again++, input = value) {
    struct tight_input copy;
    struct span parsed = SPAN_EMPTY;
    struct refusal refusal = {.reason = LUMIN_OK};
    enum lumin_status status = parse(tight_copy(input, &copy), "a.field", arena, &parsed, &refusal);
    free(copy.data);
    cr_expect_eq(status, LUMIN_OK, "'%.*s' refused: %.*s", SPAN_ARGS(input), SPAN_ARGS(refusal.message));
    cr_expect(span_equal(parsed, value), "'%.*s' gave '%.*s'", SPAN_ARGS(input), SPAN_ARGS(parsed));
  }
  arena_destroy(arena);
}

static inline void expect_bad_text(text_parser *parse, struct span input, const char *message_part) {
  struct arena *arena = arena_create(1 << 20);
  cr_assert(arena);
  struct tight_input copy;
  struct span parsed = SPAN_LITERAL("untouched");
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = parse(tight_copy(input, &copy), "a.field", arena, &parsed, &refusal);
  free(copy.data);
  cr_expect_eq(status, LUMIN_INVALID_ARGUMENT, "'%.*s' was taken", SPAN_ARGS(input));
  if (status == LUMIN_INVALID_ARGUMENT)
    expect_helpful(&refusal, "a.field", input, message_part);
  cr_expect(span_equal(parsed, SPAN_LITERAL("untouched")));
  arena_destroy(arena);
}

static inline void expect_no_memory(text_parser *parse, struct span input) {
  struct arena *small = arena_create(4);
  cr_assert(small);
  struct span parsed = SPAN_EMPTY;
  struct refusal refusal = {.reason = LUMIN_OK};
  cr_expect_eq(parse(input, "a.field", small, &parsed, &refusal), LUMIN_NO_MEMORY);
  cr_expect_eq(refusal.reason, LUMIN_OK);
  cr_expect_null(parsed.data);
  arena_destroy(small);
}

#define EXPECT_GOOD(parse, table)                                                                                      \
  for (size_t i = 0; i < COUNT(table); i++)                                                                            \
  expect_good_text(parse, (table)[i].input, (table)[i].value)
#define EXPECT_BAD(parse, table)                                                                                       \
  for (size_t i = 0; i < COUNT(table); i++)                                                                            \
  expect_bad_text(parse, (table)[i].input, (table)[i].message_part)
