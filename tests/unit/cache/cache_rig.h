// SPDX-License-Identifier: MIT
// A cache with its clock in hand: users by number, times in milliseconds.
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>

#include "lumin/base/clock.h"
#include "lumin/infrastructure/cache/cache.h"

#define MAX_AGE_MS 5000
#define FOR_EVER .from_ns = INT64_MIN, .until_ns = INT64_MAX

static struct cache *cache;
static struct arena *arena;
static int64_t now_ms;

static inline void cache_begin(size_t bytes) {
  cache = cache_create(&(struct cache_limits){.bytes = bytes, .max_age_ns = MAX_AGE_MS * NS_PER_MS});
  arena = arena_create(64U << 20);
  cr_assert(cache != NULL && arena != NULL);
  cache_trust(cache);
  now_ms = 1000000;
}

static inline void cache_end(void) {
  cache_destroy(cache);
  arena_destroy(arena);
}

static inline struct uuid id_of(unsigned number) {
  struct uuid id = {{0xcc, [6] = 0x40, [8] = 0x80}};
  memcpy(&id.bytes[12], &number, sizeof number);
  return id;
}

static inline struct cached_user user_of(uint64_t version, const char *body) {
  return (struct cached_user){.version = version, .status = 2, .body = span_from_text(body), FOR_EVER};
}

static inline uint64_t begin(unsigned number) {
  struct uuid id = id_of(number);
  return cache_load_begin(cache, &id);
}

static inline void keep(unsigned number, uint64_t ticket, struct cached_user user) {
  struct uuid id = id_of(number);
  cache_keep(cache, &id, ticket, now_ms * NS_PER_MS, &user);
}

static inline void load(unsigned number, uint64_t version, const char *body) {
  keep(number, begin(number), user_of(version, body));
}

static inline uint64_t changed(unsigned number, uint64_t version) {
  struct uuid id = id_of(number);
  return cache_changed(cache, &id, version);
}

static inline bool get_at(unsigned number, uint64_t min_version, int64_t time_ns, struct cached_user *ret_user) {
  const struct cache_question question = {id_of(number), min_version, now_ms * NS_PER_MS, time_ns};
  return cache_get(cache, &question, arena, ret_user);
}

static inline bool get(unsigned number, uint64_t min_version, struct cached_user *ret_user) {
  return get_at(number, min_version, 0, ret_user);
}

static inline struct cache_counters counters(void) {
  struct cache_counters found;
  cache_counters_get(cache, &found);
  return found;
}

// The user is there, in this version.
#define EXPECT_HIT(number, wanted)                                                                                     \
  do {                                                                                                                 \
    struct cached_user hit = {0};                                                                                      \
    cr_expect(get((number), 0, &hit), "user %u is not there", (unsigned)(number));                                     \
    cr_expect_eq(hit.version, (uint64_t)(wanted), "user %u has version %llu", (unsigned)(number),                      \
                 (unsigned long long)hit.version);                                                                     \
  } while (0)

#define EXPECT_MISS(number)                                                                                            \
  do {                                                                                                                 \
    struct cached_user hit = {0};                                                                                      \
    cr_expect_not(get((number), 0, &hit), "user %u is there in version %llu", (unsigned)(number),                      \
                  (unsigned long long)hit.version);                                                                    \
  } while (0)
