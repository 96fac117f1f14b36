// SPDX-License-Identifier: MIT
// The cache's rules one by one: what is found, and above all what is not found any more.
#include "cache_rig.h"

#define ROOM (4U << 20)

static void setup(void) { cache_begin(ROOM); }
TestSuite(cache, .init = setup, .fini = cache_end);

// ---- what is found

Test(cache, a_loaded_user_is_found_as_it_was) {
  char body[] = "Ada";
  struct cached_user user = {.version = 3, .status = 4, .body = span_of(body, 3), .from_ns = -5, .until_ns = 70};
  struct cached_user found = {0};
  EXPECT_MISS(1);
  keep(1, begin(1), user);
  memset(body, 'x', 3);
  cr_assert(get_at(1, 0, 10, &found));
  cr_expect_eq(found.version, 3);
  cr_expect_eq(found.status, 4);
  cr_expect(span_equal(found.body, SPAN_LITERAL("Ada")));
  cr_expect_eq(found.from_ns, -5);
  cr_expect_eq(found.until_ns, 70);
  EXPECT_MISS(2);
}

Test(cache, what_was_given_stands_by_itself) {
  struct cached_user found = {0};
  load(1, 1, "first");
  cr_assert(get(1, 0, &found));
  load(1, 2, "other");
  (void)changed(1, 9);
  cr_expect(span_equal(found.body, SPAN_LITERAL("first")));
}

Test(cache, a_user_that_is_not_there_is_remembered_too) {
  struct cached_user found = {.version = 7};
  load(1, 0, "");
  cr_assert(get(1, 0, &found));
  cr_expect_eq(found.version, 0);
  cr_expect_eq(found.body.len, 0);
  cr_expect_not(get(1, 1, &found), "whoever has seen it asks on");
}

Test(cache, no_version_below_the_one_asked_for) {
  struct cached_user found = {0};
  load(1, 5, "five");
  cr_expect(get(1, 5, &found));
  cr_expect_not(get(1, 6, &found));
  cr_expect(get(1, 5, &found), "asking for more takes nothing away");
}

// ---- age and time

Test(cache, age_counts_from_before_the_database_was_asked) {
  uint64_t ticket = begin(1);
  int64_t asked_ms = now_ms;
  struct uuid id = id_of(1);
  struct cached_user user = user_of(1, "one");
  now_ms += 4000; // it took its time
  cache_keep(cache, &id, ticket, asked_ms * NS_PER_MS, &user);
  now_ms = asked_ms + MAX_AGE_MS - 1;
  EXPECT_HIT(1, 1);
  now_ms = asked_ms + MAX_AGE_MS;
  EXPECT_MISS(1);
}

Test(cache, absence_ages_too) {
  load(1, 0, "");
  now_ms += MAX_AGE_MS - 1;
  EXPECT_HIT(1, 0);
  now_ms += 1;
  EXPECT_MISS(1);
}

Test(cache, the_same_version_read_again_is_young_again) {
  load(1, 5, "five");
  now_ms += MAX_AGE_MS - 1;
  load(1, 5, "five");
  now_ms += MAX_AGE_MS - 1;
  EXPECT_HIT(1, 5);
}

Test(cache, an_older_look_at_the_same_version_makes_nothing_older) {
  uint64_t ticket = begin(1);
  struct uuid id = id_of(1);
  struct cached_user user = user_of(5, "five");
  int64_t before_ms = now_ms;
  now_ms += 4000;
  load(1, 5, "five");
  cache_keep(cache, &id, ticket, before_ms * NS_PER_MS, &user);
  now_ms += MAX_AGE_MS - 1;
  EXPECT_HIT(1, 5);
}

Test(cache, a_state_answers_only_within_its_span_of_time) {
  struct cached_user found = {0}, blocked = user_of(2, "BLOCKED"), after = user_of(2, "ACTIVE");
  blocked.until_ns = 1000;
  after.from_ns = 1000;
  keep(1, begin(1), blocked);
  cr_expect(get_at(1, 0, 999, &found) && span_equal(found.body, SPAN_LITERAL("BLOCKED")));
  cr_expect_not(get_at(1, 0, 1000, &found), "the block has ended");
  now_ms += 1;
  keep(1, begin(1), after);
  cr_expect(get_at(1, 0, 1000, &found) && span_equal(found.body, SPAN_LITERAL("ACTIVE")));
  cr_expect_not(get_at(1, 0, 999, &found), "a clock that steps back finds it blocked");
}

// ---- changes

Test(cache, a_change_takes_older_states_away) {
  load(1, 5, "five");
  cr_expect_neq(0, changed(1, 6));
  EXPECT_MISS(1);
  load(1, 6, "six");
  EXPECT_HIT(1, 6);
}

Test(cache, a_change_that_is_known_takes_nothing_away) {
  load(1, 5, "five");
  cr_expect_eq(0, changed(1, 5));
  cr_expect_eq(0, changed(1, 4));
  EXPECT_HIT(1, 5);
  cr_expect_eq(counters().changes, 0);
}

Test(cache, a_change_ends_an_absence) {
  load(1, 0, "");
  cr_expect_neq(0, changed(1, 1));
  EXPECT_MISS(1);
}

Test(cache, a_change_of_nobody_s_user_costs_nothing) {
  size_t bytes = counters().bytes;
  for (unsigned number = 0; number < 100; number++)
    cr_expect_eq(0, changed(number, 3));
  cr_expect_eq(counters().bytes, bytes);
}

Test(cache, who_makes_a_state_leaves_it_where_it_was_read) {
  load(1, 5, "five");
  uint64_t ticket = changed(1, 6);
  cr_assert_neq(ticket, 0);
  keep(1, ticket, user_of(6, "six"));
  EXPECT_HIT(1, 6);
}

Test(cache, only_users_that_are_asked_for_are_wanted) {
  load(1, 5, "five");
  cr_assert_neq(changed(1, 6), 0);
  cr_expect_eq(changed(1, 7), 0, "nobody has asked since");
  load(1, 7, "seven");
  keep(1, changed(1, 8), user_of(8, "eight"));
  EXPECT_HIT(1, 8);
  cr_expect_neq(changed(1, 9), 0);
  EXPECT_MISS(1);
}

Test(cache, a_state_outrun_by_another_maker_is_not_kept) {
  load(1, 5, "five");
  uint64_t six = changed(1, 6);
  (void)changed(1, 7);
  keep(1, six, user_of(6, "six"));
  EXPECT_MISS(1);
  load(1, 7, "seven");
  keep(1, six, user_of(6, "six"));
  EXPECT_HIT(1, 7);
}

// ---- a change during a load

Test(cache, a_load_outrun_by_a_change_is_not_kept) {
  uint64_t ticket = begin(1);
  cr_expect_neq(0, changed(1, 6));
  keep(1, ticket, user_of(5, "five"));
  EXPECT_MISS(1);
  cr_expect_eq(counters().outrun, 1);
}

Test(cache, a_load_that_has_the_change_already_is_kept) {
  uint64_t ticket = begin(1);
  cr_expect_neq(0, changed(1, 6));
  keep(1, ticket, user_of(6, "six"));
  EXPECT_HIT(1, 6);
}

Test(cache, an_absence_outrun_by_a_creation_is_not_kept) {
  uint64_t ticket = begin(1);
  cr_expect_neq(0, changed(1, 1));
  keep(1, ticket, user_of(0, ""));
  EXPECT_MISS(1);
}

Test(cache, of_two_loads_the_newer_stays) {
  uint64_t first = begin(1), second = begin(1);
  keep(1, second, user_of(6, "six"));
  keep(1, first, user_of(5, "five"));
  EXPECT_HIT(1, 6);
}

Test(cache, two_loads_outrun_by_one_change) {
  uint64_t first = begin(1), second = begin(1);
  cr_expect_neq(0, changed(1, 6));
  keep(1, second, user_of(5, "five"));
  keep(1, first, user_of(5, "five"));
  EXPECT_MISS(1);
  load(1, 6, "six");
  EXPECT_HIT(1, 6);
}

// After a restore the database may say less than was told; nobody must wait for it for ever.
Test(cache, what_was_told_is_forgotten_where_a_later_load_says_otherwise) {
  load(1, 5, "five");
  cr_expect_neq(0, changed(1, 9));
  load(1, 5, "five");
  EXPECT_MISS(1);
  load(1, 5, "five");
  EXPECT_HIT(1, 5);
}

Test(cache, a_version_that_went_back_is_believed_once_the_old_one_is_too_old) {
  load(1, 9, "nine");
  now_ms += 10;
  load(1, 5, "five");
  EXPECT_HIT(1, 9);
  now_ms += MAX_AGE_MS;
  load(1, 5, "five");
  EXPECT_HIT(1, 5);
}

// ---- trust

Test(cache, nothing_is_given_and_nothing_kept_while_changes_may_be_missed) {
  load(1, 5, "five");
  cache_suspect(cache);
  EXPECT_MISS(1);
  cr_expect_eq(begin(2), 0);
  keep(2, 0, user_of(1, "one"));
  cache_trust(cache);
  EXPECT_MISS(1);
  EXPECT_MISS(2);
  load(1, 5, "five");
  EXPECT_HIT(1, 5);
}

Test(cache, a_load_from_before_a_gap_is_not_kept_after_it) {
  uint64_t fresh = begin(1);
  load(2, 5, "five");
  uint64_t again = begin(2), made = changed(2, 6);
  cache_suspect(cache);
  cache_trust(cache);
  keep(1, fresh, user_of(5, "five"));
  keep(2, again, user_of(5, "five"));
  keep(2, made, user_of(6, "six"));
  EXPECT_MISS(1);
  EXPECT_MISS(2);
  uint64_t later = begin(1);
  keep(1, fresh, user_of(5, "five"));
  EXPECT_MISS(1);
  keep(1, later, user_of(6, "six"));
  EXPECT_HIT(1, 6);
}

Test(cache, suspicion_and_trust_twice_are_as_once) {
  cache_trust(cache);
  load(1, 5, "five");
  cache_trust(cache);
  EXPECT_HIT(1, 5);
  cache_suspect(cache);
  cache_suspect(cache);
  cr_expect_eq(counters().suspicions, 1);
  cr_expect_not(counters().trusted);
  cache_trust(cache);
  cr_expect(counters().trusted);
}

Test(cache, a_new_cache_waits_for_its_first_trust) {
  struct cache *fresh = cache_create(&(struct cache_limits){.bytes = ROOM, .max_age_ns = NS_PER_SECOND});
  struct uuid id = id_of(1);
  cr_assert(fresh);
  cr_expect_eq(cache_load_begin(fresh, &id), 0);
  cache_destroy(fresh);
  cache_destroy(NULL);
}

// ---- counting

Test(cache, hits_and_misses_are_counted) {
  EXPECT_MISS(1);
  load(1, 1, "one");
  EXPECT_HIT(1, 1);
  EXPECT_HIT(1, 1);
  cr_expect_eq(counters().hits, 2);
  cr_expect_eq(counters().misses, 1);
  cr_expect_eq(counters().entries, 1);
}
