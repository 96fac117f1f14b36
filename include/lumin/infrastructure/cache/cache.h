// SPDX-License-Identifier: MIT
// Users as last seen, in memory, for readers that need no transaction: encoded replies by user id. Any thread may call
// anything. Bounded in bytes (guarantee 11) and in age. What keeps it fresh:
//   - Who changes users, or hears of changes, says so (cache_changed); from then on nobody is given an older version.
//   - A load that began before the change and ends after it is not kept where what it read is older.
//   - When changes may have been missed, everything is suspect (cache_suspect) and nobody is given anything until
//     they are heard again (cache_trust); what was there before then stays unused.
//   - Where nobody asks there is nothing to keep fresh, and nobody needs to hear of changes (cache_rest).
//   - Whatever is said, an entry is not used longer than its greatest age after the moment it was known to be true.
#pragma once

#include "lumin/base/arena.h"
#include "lumin/base/uuid.h"

struct cache;

struct cache_limits {
  size_t bytes; // all of it, the table too
  int64_t max_age_ns;
};

// At rest. NULL without memory.
struct cache *cache_create(const struct cache_limits *limits);
void cache_destroy(struct cache *cache); // NULL is fine

// A user in some state.
struct cached_user {
  uint64_t version; // 0: there is no such user
  int status;       // the caller's
  struct span body; // the reply, encoded; empty where there is no such user
  // Of the wall clock, [from, until): a question asked at another time has another answer.
  int64_t from_ns, until_ns;
};

struct cache_question {
  struct uuid user_id;
  uint64_t min_version;
  int64_t now_ns;  // monotonic
  int64_t time_ns; // wall clock: when it was asked
};

// False: load it. Else a copy, its body in the arena.
bool cache_get(struct cache *cache, const struct cache_question *question, struct arena *arena,
               struct cached_user *ret_user);

// Before the database is asked: a ticket for what it will say. 0: that will not be kept.
uint64_t cache_load_begin(struct cache *cache, const struct uuid *user_id);
// The user has reached `version`. A ticket for its new state where somebody has asked for the user since it last
// changed, and may do so again; else 0.
uint64_t cache_changed(struct cache *cache, const struct uuid *user_id, uint64_t version);
// Whether cache_changed could have an effect: something is here, or being loaded.
bool cache_has(struct cache *cache, const struct uuid *user_id);
// The state that a ticket is for. Its age counts from `as_of_ns`, a monotonic time: it was the newest state then, or
// came to be after it.
void cache_keep(struct cache *cache, const struct uuid *user_id, uint64_t ticket, int64_t as_of_ns,
                const struct cached_user *user);

void cache_suspect(struct cache *cache);
void cache_trust(struct cache *cache);
// As cache_suspect, and no suspicion; until cache_wake, which says that somebody listens again, or tries to.
void cache_rest(struct cache *cache);
void cache_wake(struct cache *cache);
// When somebody asked last, to 10 ms (`now_ns` of the question, monotonic); 0: nobody ever has.
int64_t cache_asked_ns(struct cache *cache);

struct cache_counters {
  uint64_t hits, misses;
  uint64_t changes;   // told of users that were here
  uint64_t outrun;    // states that were older than what had been told meanwhile, or lost their entry
  uint64_t evictions; // for want of room
  uint64_t suspicions;
  uint64_t bytes, entries;
  bool trusted;
  bool resting; // nobody hears of changes, since nobody asks
};
void cache_counters_get(struct cache *cache, struct cache_counters *ret_counters);
