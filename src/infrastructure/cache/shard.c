// SPDX-License-Identifier: MIT
// Bounded by bytes (guarantee 11), as malloc counts them. What is thrown out is chosen by SIEVE: entries stand in the
// order of their coming, a hit sets one bit and moves nothing, and the hand goes from old to new, takes the bit from
// those that have it and throws out the first that has none. What was asked for once leaves soon, even behind a scan of
// all users, and what is asked for again stays. A finer order would gain nothing, since every entry is read anew after
// its greatest age.
#include "shard.h"

#include <stdlib.h>

#include "lumin/base/map.h"

static size_t cost_of(size_t bytes);
static bool room_make(struct shard *shard, size_t bytes, const struct entry *keep);
static void entry_drop(struct shard *shard, struct entry *entry);

enum lumin_status shard_init(struct shard *shard, size_t buckets, size_t limit) {
  *shard = (struct shard){.limit = limit, .mask = buckets - 1};
  shard->buckets = calloc(buckets, sizeof(struct entry *));
  if (shard->buckets == NULL || pthread_mutex_init(&shard->lock, NULL) != 0) {
    free(shard->buckets);
    shard->buckets = NULL;
    return LUMIN_NO_MEMORY;
  }
  return LUMIN_OK;
}

void shard_finish(struct shard *shard) {
  if (shard->buckets == NULL) {
    return;
  }
  while (shard->oldest != NULL) {
    entry_drop(shard, shard->oldest);
  }
  free(shard->buckets);
  shard->buckets = NULL;
  (void)pthread_mutex_destroy(&shard->lock);
}

struct entry *shard_find(const struct shard *shard, uint64_t hash, const struct uuid *user_id) {
  struct entry *entry = shard->buckets[hash & shard->mask];
  while (entry != NULL && !uuid_equal(&entry->user_id, user_id)) {
    entry = entry->chain;
  }
  return entry;
}

struct entry *shard_add(struct shard *shard, uint64_t hash, const struct uuid *user_id, uint64_t generation) {
  size_t bytes = cost_of(sizeof(struct entry));
  struct entry *entry = room_make(shard, bytes, NULL) ? calloc(1, sizeof *entry) : NULL;
  if (entry == NULL) {
    return NULL;
  }
  struct entry **bucket = &shard->buckets[hash & shard->mask];
  entry->user_id = *user_id;
  entry->chain = *bucket;
  *bucket = entry;
  entry->older = shard->newest;
  *(shard->newest != NULL ? &shard->newest->newer : &shard->oldest) = entry;
  shard->newest = entry;
  shard->bytes += bytes;
  shard->entries++;
  entry_renew(shard, entry, generation);
  return entry;
}

void entry_renew(struct shard *shard, struct entry *entry, uint64_t generation) {
  entry_forget(shard, entry);
  entry->ticket = ++shard->last_ticket;
  entry->generation = generation;
  entry->floor = 0;
}

void entry_forget(struct shard *shard, struct entry *entry) {
  if (entry->user.body.len > 0) {
    shard->bytes -= cost_of(entry->user.body.len);
    free((void *)(uintptr_t)entry->user.body.data);
  }
  entry->user = (struct cached_user){0};
  entry->known = false;
}

void entry_learn(struct shard *shard, struct entry *entry, int64_t as_of_ns, const struct cached_user *user) {
  size_t len = user->body.len;
  char *body = NULL;
  entry_forget(shard, entry);
  if (len > 0) {
    body = room_make(shard, cost_of(len), entry) ? malloc(len) : NULL;
    if (body == NULL) {
      return;
    }
    memcpy(body, user->body.data, len);
    shard->bytes += cost_of(len);
  }
  entry->user = *user;
  entry->user.body = span_of(body, len);
  entry->as_of_ns = as_of_ns;
  entry->known = true;
}

// ---- room

// What malloc takes for so many bytes: eight more, in pieces of 16, at least two.
static size_t cost_of(size_t bytes) {
  size_t cost = (bytes + 8 + 15) & ~(size_t)15;
  return cost < 32 ? 32 : cost;
}

static struct entry *victim_find(struct shard *shard, const struct entry *keep) {
  struct entry *victim = shard->hand != NULL ? shard->hand : shard->oldest;
  while (victim != NULL && (victim->visited || victim == keep)) {
    if (victim == keep && victim->newer == NULL && victim->older == NULL) {
      return NULL; // alone
    }
    victim->visited = false;
    victim = victim->newer != NULL ? victim->newer : shard->oldest;
  }
  return victim;
}

static bool room_make(struct shard *shard, size_t bytes, const struct entry *keep) {
  struct entry *victim = NULL;
  while (shard->bytes + bytes > shard->limit && (victim = victim_find(shard, keep)) != NULL) {
    shard->hand = victim->newer;
    shard->evictions++;
    entry_drop(shard, victim);
  }
  return shard->bytes + bytes <= shard->limit;
}

static void entry_drop(struct shard *shard, struct entry *entry) {
  struct entry **place = &shard->buckets[uuid_hash(&entry->user_id) & shard->mask];
  while (*place != entry) {
    place = &(*place)->chain;
  }
  *place = entry->chain;
  *(entry->newer != NULL ? &entry->newer->older : &shard->newest) = entry->older;
  *(entry->older != NULL ? &entry->older->newer : &shard->oldest) = entry->newer;
  if (shard->hand == entry) {
    shard->hand = entry->newer;
  }
  entry_forget(shard, entry);
  shard->bytes -= cost_of(sizeof *entry);
  shard->entries--;
  free(entry);
}
