// SPDX-License-Identifier: MIT
// The cache's memory: bounded whatever comes (guarantee 11), and what goes first when it is full.
#include <malloc.h>

#include "cache_rig.h"

#define ROOM (1U << 20)

static void setup(void) { cache_begin(ROOM); }
TestSuite(cache_room, .init = setup, .fini = cache_end);

static bool is_there(unsigned number) {
  struct cached_user found = {0};
  arena_reset(arena);
  return get(number, 0, &found);
}

static const char *text_of(size_t len) {
  static char text[16384];
  memset(text, 'x', len);
  text[len] = '\0';
  return text;
}

Test(cache_room, bytes_stay_within_the_limit) {
  for (unsigned number = 0; number < 20000; number++) {
    load(number, 1, text_of(number % 3000));
    cr_assert_leq(counters().bytes, ROOM);
  }
  cr_expect_gt(counters().entries, 100);
  cr_expect_gt(counters().evictions, 1000);
}

Test(cache_room, placeholders_of_loads_are_bounded_too) {
  for (unsigned number = 0; number < 20000; number++)
    (void)begin(number);
  cr_expect_leq(counters().bytes, ROOM);
  cr_expect_leq(counters().entries, ROOM / 128);
}

// What the limit promises is what the process takes.
#ifndef __SANITIZE_ADDRESS__ // which has a malloc of its own
Test(cache_room, bytes_are_those_of_malloc) {
  size_t before = mallinfo2().uordblks, counted = counters().bytes;
  for (unsigned number = 0; number < 2000; number++)
    load(number, 1, text_of(number % 90));
  size_t taken = mallinfo2().uordblks - before;
  counted = counters().bytes - counted;
  cr_expect(taken > counted * 9 / 10 && taken < counted * 11 / 10, "malloc gave %zu, counted were %zu", taken, counted);
}
#endif

Test(cache_room, what_was_taken_is_given_back) {
  size_t empty = counters().bytes;
  for (unsigned number = 0; number < 100; number++)
    load(number, 1, text_of(200));
  size_t full = counters().bytes;
  for (unsigned number = 0; number < 100; number++)
    cr_expect_neq(0, changed(number, 2));
  size_t bodiless = counters().bytes;
  cr_expect_lt(bodiless, full);
  for (unsigned number = 0; number < 100; number++)
    load(number, 2, text_of(200));
  cr_expect_eq(counters().bytes, full);
  cr_expect_gt(bodiless, empty);
}

Test(cache_room, what_is_larger_than_all_is_not_kept_and_takes_nothing_with_it) {
  load(1, 1, "one");
  static char huge[ROOM];
  memset(huge, 'x', sizeof huge);
  struct cached_user user = user_of(1, "");
  user.body = span_of(huge, sizeof huge);
  for (unsigned number = 2; number < 200; number++) {
    keep(number, begin(number), user);
    cr_expect_not(is_there(number));
  }
  cr_expect_leq(counters().bytes, ROOM);
  load(2, 1, "small");
  cr_expect(is_there(2));
}

Test(cache_room, a_cache_without_room_keeps_nothing_and_breaks_nothing) {
  struct cache *tiny = cache_create(&(struct cache_limits){.bytes = 1, .max_age_ns = NS_PER_SECOND});
  struct uuid id = id_of(1);
  struct cached_user user = user_of(1, "one");
  cr_assert(tiny);
  cache_trust(tiny);
  uint64_t ticket = cache_load_begin(tiny, &id);
  cache_keep(tiny, &id, ticket, 0, &user);
  cr_expect_eq(cache_changed(tiny, &id, 2), 0);
  const struct cache_question question = {.user_id = id};
  cr_expect_not(cache_get(tiny, &question, arena, &user));
  cache_destroy(tiny);
}

// Users in use stay although ten times the room passes by, once each.
Test(cache_room, a_scan_does_not_wash_away_what_is_in_use) {
  enum { USED = 200, SCANNED = 30000 };
  unsigned lost = 0;
  for (unsigned number = 0; number < USED; number++) {
    load(number, 1, text_of(100));
  }
  for (unsigned scanned = 0; scanned < SCANNED; scanned++) {
    unsigned used = scanned % USED;
    load(1000000 + scanned, 1, text_of(100));
    if (!is_there(used)) {
      lost++;
      load(used, 1, text_of(100));
    }
  }
  cr_expect_gt(counters().evictions, SCANNED / 2);
  cr_expect_lt(lost, USED / 4, "%u reads of users in use missed", lost);
}

Test(cache_room, everything_in_use_gives_way_to_something_in_the_end) {
  for (unsigned number = 0; number < 20000; number++) {
    load(number, 1, text_of(100));
    cr_assert(is_there(number), "the newest, %u", number);
  }
  cr_expect_leq(counters().bytes, ROOM);
}
