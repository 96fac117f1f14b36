// SPDX-License-Identifier: MIT
// A query's two steps with the rows given by hand.
#pragma once

#include <criterion/criterion.h>

#include "lumin/application/query.h"
#include "lumin/user/v1/queries.pb-c.h"

static const struct uuid ada = {{0xad, 0xa0}}, eve = {{0xe7, 0xe0}}, bob = {{0xb0, 0xb0}};
#define ADA "ada00000-0000-0000-0000-000000000000"
#define EVE "e7e00000-0000-0000-0000-000000000000"
#define BOB "b0b00000-0000-0000-0000-000000000000"
#define TEXT(text) ((char *)(uintptr_t)(text))

static struct arena *arena;

static inline void rig_begin(void) { cr_assert((arena = arena_create(16U << 20))); }
static inline void rig_end(void) { arena_destroy(arena); }

static inline struct query query_of(const struct uuid *user_id) {
  struct query query = {.arena = arena, .time_ns = 1000, .timeout_ms = 5000};
  query.has_user_id = user_id != NULL;
  query.user_id = user_id != NULL ? *user_id : query.user_id;
  return query;
}

static inline struct query_rows rows_of(const struct user *const *users) {
  return (struct query_rows){.users = users, .most = SIZE_MAX, .arena = arena};
}

// INVALID_ARGUMENT that names the field and says what it may hold.
static inline void expect_invalid(enum lumin_status status, const struct refusal *refusal, const char *field) {
  cr_expect_eq(status, LUMIN_INVALID_ARGUMENT, "%s", field);
  cr_expect_eq(refusal->reason, LUMIN_INVALID_ARGUMENT);
  cr_expect(span_equal(refusal->field, span_from_text(field)), "%s is %.*s", field, SPAN_ARGS(refusal->field));
  cr_expect_gt(refusal->allowed.len, 0);
}
