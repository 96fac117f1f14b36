// SPDX-License-Identifier: MIT
// One part of the cache, under one lock: a table of entries by user id, and the order in which they are thrown out.
#pragma once

#include <pthread.h>

#include "lumin/infrastructure/cache/cache.h"

// An entry without a state (`known` unset) stands for a load under way, or for a state that was outrun: it remembers
// which version there is to be had.
struct entry {
  struct entry *chain;         // of its bucket
  struct entry *newer, *older; // by age of the entry, not of its use
  struct uuid user_id;
  uint64_t ticket;     // of the entry, never used twice in a shard
  uint64_t generation; // of the cache when it was made
  uint64_t floor;      // the user has reached this version
  int64_t as_of_ns;
  struct cached_user user; // its body is the entry's
  bool known;
  bool visited; // used since the hand came by
  bool wanted;  // asked for since it last changed
};

struct shard {
  _Alignas(64) pthread_mutex_t lock;
  struct entry **buckets;
  size_t mask;
  struct entry *newest, *oldest;
  struct entry *hand; // where the next victim is looked for; NULL: at the oldest
  size_t bytes, limit;
  uint64_t entries, last_ticket;
  uint64_t hits, misses, changes, outrun, evictions;
};

// `limit`: bytes of all entries.
LUMIN_MUST_USE enum lumin_status shard_init(struct shard *shard, size_t buckets, size_t limit);
void shard_finish(struct shard *shard);

// All below: under the lock, with the hash of the user id.
struct entry *shard_find(const struct shard *shard, uint64_t hash, const struct uuid *user_id); // NULL: none
// A new one without a state; throws others out for it. NULL where there is no room.
struct entry *shard_add(struct shard *shard, uint64_t hash, const struct uuid *user_id, uint64_t generation);
// As if it had been added now.
void entry_renew(struct shard *shard, struct entry *entry, uint64_t generation);
void entry_forget(struct shard *shard, struct entry *entry); // its state; the entry stays
// Copies the state; throws others out for it. Without room the entry has none.
void entry_learn(struct shard *shard, struct entry *entry, int64_t as_of_ns, const struct cached_user *user);
