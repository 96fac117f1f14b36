// SPDX-License-Identifier: MIT
// What is kept of a user: its reply, and the span of time in which that is the right one, since a block may end by
// itself.
#include <criterion/criterion.h>

#include "../../../src/worker/cached.h"
#include "lumin/infrastructure/codec/codec.h"

#define UNTIL 1000

static struct arena *arena;
static void setup(void) { cr_assert((arena = arena_create(1U << 20))); }
static void teardown(void) { arena_destroy(arena); }
TestSuite(cached, .init = setup, .fini = teardown);

static const struct user active = {.id = {{0xaa}},
                                   .version = 3,
                                   .status = USER_ACTIVE,
                                   .first_name = SPAN_LITERAL("Ada"),
                                   .email = {SPAN_LITERAL("a@example.com"), SPAN_LITERAL("a@example.com")},
                                   .created_ns = 1,
                                   .updated_ns = 3};

static struct user blocked(int64_t until_ns) {
  struct user user = active;
  user.status = USER_BLOCKED;
  user.status_before_block = USER_ACTIVE;
  user.block_reason = SPAN_LITERAL("spam");
  user.blocked_until_ns = until_ns;
  return user;
}

static struct cached_user made(const struct user *user, int64_t time_ns) {
  struct cached_user cached;
  cr_assert_eq(cached_make(user, time_ns, arena, &cached), LUMIN_OK);
  return cached;
}

static void expect(struct cached_user cached, struct user shown, int64_t from_ns, int64_t until_ns) {
  struct span body = SPAN_EMPTY;
  cr_assert_eq(codec_encode_user(&shown, arena, &body), LUMIN_OK);
  cr_expect(span_equal(cached.body, body));
  cr_expect_eq(cached.version, shown.version);
  cr_expect_eq(cached.status, (int)shown.status);
  cr_expect_eq(cached.from_ns, from_ns);
  cr_expect_eq(cached.until_ns, until_ns);
}

Test(cached, a_user_is_what_it_is_at_any_time) {
  expect(made(&active, 5), active, INT64_MIN, INT64_MAX);
  struct user deleted = {.id = {{0xaa}}, .version = 4, .status = USER_DELETED, .created_ns = 1, .updated_ns = 4};
  expect(made(&deleted, 5), deleted, INT64_MIN, INT64_MAX);
}

Test(cached, a_block_without_an_end_has_none) {
  struct user user = blocked(0);
  expect(made(&user, 5), user, INT64_MIN, INT64_MAX);
}

Test(cached, a_block_is_right_until_its_end_and_its_end_from_then_on) {
  struct user user = blocked(UNTIL), after = user_at(&user, UNTIL);
  cr_assert_eq(after.status, USER_ACTIVE);
  expect(made(&user, UNTIL - 1), user, INT64_MIN, UNTIL);
  expect(made(&user, UNTIL), after, UNTIL, INT64_MAX);
}

Test(cached, nobody_is_remembered_as_nobody) {
  struct cached_user none = cached_none();
  cr_expect_eq(none.version, 0);
  cr_expect_eq(none.body.len, 0);
  cr_expect(none.from_ns == INT64_MIN && none.until_ns == INT64_MAX);
}

Test(cached, without_memory_nothing_is_made) {
  struct arena *small = arena_create(16);
  struct cached_user untouched = {.version = 77};
  cr_expect_eq(cached_make(&active, 5, small, &untouched), LUMIN_NO_MEMORY);
  cr_expect_eq(untouched.version, 77);
  arena_destroy(small);
}
