// SPDX-License-Identifier: MIT
// Threads that write, load, read and lose the thread of events, all at once. A user's truth is its version, raised
// before it is told, as a commit is; and once a version has been told nobody may be given an older one, however loads
// and changes cross. The body of a state names its version. For a test of Criterion's and for one that is watched by
// ThreadSanitizer, with which Criterion does not start.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include <stdio.h>

#include "lumin/base/clock.h"
#include "lumin/infrastructure/cache/cache.h"

#define USERS 256U // few, so that threads meet
#define ROUNDS 100000U
#define STRESS_ROOM (64U << 10) // and little, so that entries are thrown out meanwhile

static struct cache *stressed;
static atomic_uint_fast64_t truth[USERS]; // committed
static atomic_uint_fast64_t told[USERS];  // cache_changed has returned
static atomic_uint_fast64_t wrong, hits;
static atomic_uint running;

static struct uuid stress_id(unsigned number) { return (struct uuid){{(uint8_t)number, [6] = 0x40}}; }

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void pause_a_while(uint64_t *state) {
  if (random_next(state) % 8 == 0) {
    (void)sched_yield();
  }
  for (volatile unsigned spin = (unsigned)(*state % 1000); spin > 0; spin--) {
  }
}

static struct cached_user state_of(uint64_t version, char text[24]) {
  (void)snprintf(text, 24, "%llu", (unsigned long long)version);
  return (struct cached_user){
      .version = version, .body = span_from_text(text), .from_ns = INT64_MIN, .until_ns = INT64_MAX};
}

static void raise_to(atomic_uint_fast64_t *number, uint64_t value) {
  uint_fast64_t before = atomic_load(number);
  while (before < value && !atomic_compare_exchange_weak(number, &before, value)) {
  }
}

// Commits, tells, and sometimes leaves the state it made.
static void *writer(void *seed) {
  uint64_t state = (uint64_t)(uintptr_t)seed;
  for (unsigned round = 0; round < ROUNDS; round++) {
    unsigned number = (unsigned)(random_next(&state) % USERS);
    struct uuid id = stress_id(number);
    char text[24];
    int64_t as_of_ns = clock_monotonic_ns();
    uint64_t version = atomic_fetch_add(&truth[number], 1) + 1;
    struct cached_user user = state_of(version, text);
    uint64_t ticket = cache_changed(stressed, &id, version);
    if (ticket != 0 && random_next(&state) % 2 == 0) {
      pause_a_while(&state);
      cache_keep(stressed, &id, ticket, as_of_ns, &user);
    }
    raise_to(&told[number], version);
    pause_a_while(&state);
  }
  atomic_fetch_sub(&running, 1);
  return NULL;
}

static void *loader(void *seed) {
  uint64_t state = (uint64_t)(uintptr_t)seed;
  while (atomic_load(&running) > 0) {
    unsigned number = (unsigned)(random_next(&state) % USERS);
    struct uuid id = stress_id(number);
    char text[24];
    uint64_t ticket = cache_load_begin(stressed, &id);
    int64_t as_of_ns = clock_monotonic_ns();
    struct cached_user user = state_of(atomic_load(&truth[number]), text);
    pause_a_while(&state);
    cache_keep(stressed, &id, ticket, as_of_ns, &user);
  }
  return NULL;
}

static void *reader(void *seed) {
  uint64_t state = (uint64_t)(uintptr_t)seed;
  struct arena *own = arena_create(1U << 20);
  while (atomic_load(&running) > 0) {
    struct cached_user found = {0};
    unsigned number = (unsigned)(random_next(&state) % USERS);
    uint64_t least = atomic_load(&told[number]);
    const struct cache_question question = {.user_id = stress_id(number), .now_ns = clock_monotonic_ns()};
    arena_reset(own);
    if (cache_get(stressed, &question, own, &found)) {
      uint64_t named = 0;
      bool whole = span_to_u64(found.body, &named) && named == found.version;
      atomic_fetch_add(&wrong, found.version < least || !whole || found.version > atomic_load(&truth[number]));
      atomic_fetch_add(&hits, 1);
    }
  }
  arena_destroy(own);
  return NULL;
}

static void *doubter(void *unused) {
  (void)unused;
  while (atomic_load(&running) > 0) {
    struct cache_counters now;
    cache_suspect(stressed);
    cache_counters_get(stressed, &now);
    cache_trust(stressed);
    (void)usleep(2000);
  }
  return NULL;
}

struct stress_result {
  uint64_t wrong, hits;
  struct cache_counters counters;
  bool ran;
};

static inline struct stress_result stress_run(void) {
  void *(*const bodies[])(void *) = {writer, writer, loader, loader, reader, reader, doubter};
  enum { THREADS = sizeof bodies / sizeof bodies[0] };
  pthread_t threads[THREADS];
  struct stress_result result = {.ran = true};
  stressed = cache_create(&(struct cache_limits){.bytes = STRESS_ROOM, .max_age_ns = 60 * NS_PER_SECOND});
  cache_trust(stressed);
  atomic_store(&running, 2);
  for (size_t i = 0; i < THREADS; i++) {
    void *seed = (void *)(uintptr_t)(0x9e3779b97f4a7c15 + i);
    result.ran = pthread_create(&threads[i], NULL, bodies[i], seed) == 0 && result.ran;
  }
  for (size_t i = 0; i < THREADS && result.ran; i++) {
    (void)pthread_join(threads[i], NULL);
  }
  result.wrong = atomic_load(&wrong);
  result.hits = atomic_load(&hits);
  cache_counters_get(stressed, &result.counters);
  cache_destroy(stressed);
  return result;
}
