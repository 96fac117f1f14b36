// SPDX-License-Identifier: MIT
// For tests that are tables: what a parser of values promises for every row, whatever the value.
#pragma once

#include <criterion/criterion.h>

#include "lumin/base/arena.h"
#include "lumin/domain/refusal.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

// A copy that ends where its memory does, so that a sanitizer sees a parser that reads on.
struct tight_input {
  char *data;
  size_t len;
};
static inline struct span tight_copy(struct span input, struct tight_input *ret_copy) {
  char *data = malloc(input.len ? input.len : 1);
  cr_assert(data);
  if (input.len)
    memcpy(data, input.data, input.len);
  *ret_copy = (struct tight_input){data, input.len};
  return span_of(data, input.len);
}

static inline bool span_contains(struct span text, struct span part) {
  return part.len > 0 && text.len >= part.len && memmem(text.data, text.len, part.data, part.len);
}

// A refusal that its reader can act on, and that holds nothing the caller sent. Inputs of a few bytes are left out:
// they may well be a part of an English sentence.
static inline void expect_helpful(const struct refusal *refusal, const char *field, struct span input,
                                  const char *message_part) {
  cr_expect_eq(refusal->reason, LUMIN_INVALID_ARGUMENT);
  cr_expect(span_equal(refusal->field, span_from_text(field)));
  cr_expect_gt(refusal->allowed.len, 0);
  cr_expect(span_contains(refusal->message, span_from_text(message_part)), "message '%.*s' has no '%s'",
            SPAN_ARGS(refusal->message), message_part);
  cr_expect(input.len < 8 || !span_contains(refusal->message, input), "the message echoes the input");
  cr_expect_eq(refusal->current_status, 0);
  cr_expect_eq(refusal->current_version, 0);
}

// `count` times `unit`, with a NUL behind it; for texts at a limit. The arena is the test's.
static inline struct span repeat(struct arena *arena, const char *unit, size_t count) {
  size_t size = strlen(unit);
  char *data = arena_alloc(arena, size * count + 1);
  cr_assert(data);
  for (size_t i = 0; i < count; i++)
    memcpy(data + i * size, unit, size);
  return span_of(data, size * count);
}
