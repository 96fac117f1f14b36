// SPDX-License-Identifier: MIT
// The cache's rules; its parts, each under its own lock, are shard.c. A version once told is never gone back behind, by
// whichever way the older state comes: the entry remembers what was told, and holds no state below it.
#include "lumin/infrastructure/cache/cache.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "shard.h"

#define SHARDS 32U // far more than threads
#define SHARD_BITS 5
#define BYTES_PER_BUCKET 512 // about what one user takes
#define BUCKETS_LEAST 16
#define ASKED_GRAIN (10 * NS_PER_MS)

struct cache {
  int64_t max_age_ns;
  size_t own_bytes;                // beside the entries
  atomic_uint_fast64_t generation; // odd: trusted
  atomic_uint_fast64_t suspicions;
  atomic_int_fast64_t asked_ns;
  atomic_bool resting;
  struct shard shards[SHARDS];
};

// ---- birth and end

static size_t buckets_for(size_t bytes) {
  size_t buckets = BUCKETS_LEAST;
  while (buckets * BYTES_PER_BUCKET < bytes && buckets <= SIZE_MAX / 4 / BYTES_PER_BUCKET) {
    buckets *= 2;
  }
  return buckets;
}

struct cache *cache_create(const struct cache_limits *limits) {
  struct cache *cache = aligned_alloc(_Alignof(struct cache), sizeof *cache);
  if (cache == NULL) {
    return NULL;
  }
  memset(cache, 0, sizeof *cache);
  size_t share = limits->bytes / SHARDS;
  size_t buckets = buckets_for(share);
  size_t table = buckets * sizeof(struct entry *) + sizeof(struct shard);
  cache->max_age_ns = limits->max_age_ns;
  cache->resting = true;
  cache->own_bytes = SHARDS * table;
  for (size_t i = 0; i < SHARDS; i++) {
    if (shard_init(&cache->shards[i], buckets, share > table ? share - table : 0) != LUMIN_OK) {
      cache_destroy(cache);
      return NULL;
    }
  }
  return cache;
}

void cache_destroy(struct cache *cache) {
  for (size_t i = 0; cache != NULL && i < SHARDS; i++) {
    shard_finish(&cache->shards[i]);
  }
  free(cache);
}

// ---- one shard at a time

static struct shard *shard_lock(struct cache *cache, uint64_t hash) {
  struct shard *shard = &cache->shards[hash >> (64 - SHARD_BITS)];
  (void)pthread_mutex_lock(&shard->lock);
  return shard;
}

static void shard_unlock(struct shard *shard) { (void)pthread_mutex_unlock(&shard->lock); }

static uint64_t generation_of(struct cache *cache) { return atomic_load(&cache->generation); }
static bool generation_is_trusted(uint64_t generation) { return generation % 2 == 1; }

// The entry as far as it may be used now; NULL where there is none.
static struct entry *entry_find(struct cache *cache, struct shard *shard, uint64_t hash, const struct uuid *user_id) {
  uint64_t generation = generation_of(cache);
  struct entry *entry = generation_is_trusted(generation) ? shard_find(shard, hash, user_id) : NULL;
  return entry != NULL && entry->generation == generation ? entry : NULL;
}

static bool entry_is_fresh(const struct cache *cache, const struct entry *entry, int64_t now_ns) {
  return entry->known && now_ns - entry->as_of_ns < cache->max_age_ns;
}

static bool entry_answers(const struct cache *cache, const struct entry *entry, const struct cache_question *question) {
  return entry_is_fresh(cache, entry, question->now_ns) && entry->user.version >= question->min_version &&
         question->time_ns >= entry->user.from_ns && question->time_ns < entry->user.until_ns;
}

// Seldom, since every thread reads what lies beside it.
static void asked_note(struct cache *cache, int64_t now_ns) {
  if (now_ns - atomic_load_explicit(&cache->asked_ns, memory_order_relaxed) > ASKED_GRAIN) {
    atomic_store_explicit(&cache->asked_ns, now_ns, memory_order_relaxed);
  }
}

bool cache_get(struct cache *cache, const struct cache_question *question, struct arena *arena,
               struct cached_user *ret_user) {
  uint64_t hash = uuid_hash(&question->user_id);
  asked_note(cache, question->now_ns);
  struct shard *shard = shard_lock(cache, hash);
  struct entry *entry = entry_find(cache, shard, hash, &question->user_id);
  bool found = entry != NULL && entry_answers(cache, entry, question);
  if (found) {
    struct span body = entry->user.body.len > 0 ? arena_copy(arena, entry->user.body) : SPAN_EMPTY;
    found = body.len == entry->user.body.len;
    if (found) {
      entry->visited = entry->wanted = true;
      *ret_user = entry->user;
      ret_user->body = body;
    }
  }
  shard->hits += found;
  shard->misses += !found;
  shard_unlock(shard);
  return found;
}

// ---- states

uint64_t cache_load_begin(struct cache *cache, const struct uuid *user_id) {
  uint64_t hash = uuid_hash(user_id), ticket = 0;
  struct shard *shard = shard_lock(cache, hash);
  uint64_t generation = generation_of(cache);
  if (generation_is_trusted(generation)) {
    struct entry *entry = shard_find(shard, hash, user_id);
    if (entry == NULL) {
      entry = shard_add(shard, hash, user_id, generation);
    } else if (entry->generation != generation) {
      entry_renew(shard, entry, generation);
    }
    if (entry != NULL) {
      entry->wanted = true;
      ticket = entry->ticket;
    }
  }
  shard_unlock(shard);
  return ticket;
}

// A state below what was told is not kept. Where nothing better is kept either, the entry begins anew, so that it is
// not in the way for ever should the database have gone back; loads from before do not fit it any more.
static void entry_outrun(const struct cache *cache, struct shard *shard, struct entry *entry, int64_t as_of_ns) {
  shard->outrun++;
  if (!entry_is_fresh(cache, entry, as_of_ns)) {
    entry_renew(shard, entry, entry->generation);
  }
}

// Of two states the newer is kept, and of one state the younger.
static void entry_offer(const struct cache *cache, struct entry *entry, struct shard *shard, int64_t as_of_ns,
                        const struct cached_user *user) {
  uint64_t known = entry_is_fresh(cache, entry, as_of_ns) ? entry->user.version : 0;
  if (user->version < entry->floor) {
    entry_outrun(cache, shard, entry, as_of_ns);
  } else if (user->version > known || (user->version == known && (!entry->known || as_of_ns > entry->as_of_ns))) {
    entry_learn(shard, entry, as_of_ns, user);
  }
}

void cache_keep(struct cache *cache, const struct uuid *user_id, uint64_t ticket, int64_t as_of_ns,
                const struct cached_user *user) {
  uint64_t hash = uuid_hash(user_id);
  if (ticket == 0) {
    return;
  }
  struct shard *shard = shard_lock(cache, hash);
  struct entry *entry = entry_find(cache, shard, hash, user_id);
  if (entry != NULL && entry->ticket == ticket) {
    entry_offer(cache, entry, shard, as_of_ns, user);
  } else {
    shard->outrun++;
  }
  shard_unlock(shard);
}

// ---- changes

uint64_t cache_changed(struct cache *cache, const struct uuid *user_id, uint64_t version) {
  uint64_t hash = uuid_hash(user_id), ticket = 0;
  struct shard *shard = shard_lock(cache, hash);
  struct entry *entry = entry_find(cache, shard, hash, user_id);
  if (entry != NULL && version > entry->floor && !(entry->known && entry->user.version >= version)) {
    entry->floor = version;
    entry_forget(shard, entry);
    shard->changes++;
    ticket = entry->wanted ? entry->ticket : 0;
    entry->wanted = false;
  }
  shard_unlock(shard);
  return ticket;
}

bool cache_has(struct cache *cache, const struct uuid *user_id) {
  uint64_t hash = uuid_hash(user_id);
  struct shard *shard = shard_lock(cache, hash);
  bool found = entry_find(cache, shard, hash, user_id) != NULL;
  shard_unlock(shard);
  return found;
}

// ---- trust

static bool trust_end(struct cache *cache) {
  uint64_t generation = generation_of(cache);
  return generation_is_trusted(generation) &&
         atomic_compare_exchange_strong(&cache->generation, &generation, generation + 1);
}

void cache_suspect(struct cache *cache) {
  if (trust_end(cache)) {
    atomic_fetch_add(&cache->suspicions, 1);
  }
}

void cache_rest(struct cache *cache) {
  (void)trust_end(cache);
  atomic_store(&cache->resting, true);
}

void cache_wake(struct cache *cache) { atomic_store(&cache->resting, false); }

int64_t cache_asked_ns(struct cache *cache) { return atomic_load_explicit(&cache->asked_ns, memory_order_relaxed); }

void cache_trust(struct cache *cache) {
  uint64_t generation = generation_of(cache);
  if (!generation_is_trusted(generation)) {
    (void)atomic_compare_exchange_strong(&cache->generation, &generation, generation + 1);
  }
}

void cache_counters_get(struct cache *cache, struct cache_counters *ret_counters) {
  struct cache_counters sum = {.bytes = cache->own_bytes,
                               .suspicions = atomic_load(&cache->suspicions),
                               .trusted = generation_is_trusted(generation_of(cache)),
                               .resting = atomic_load(&cache->resting)};
  for (size_t i = 0; i < SHARDS; i++) {
    struct shard *shard = &cache->shards[i];
    (void)pthread_mutex_lock(&shard->lock);
    sum.hits += shard->hits;
    sum.misses += shard->misses;
    sum.changes += shard->changes;
    sum.outrun += shard->outrun;
    sum.evictions += shard->evictions;
    sum.bytes += shard->bytes;
    sum.entries += shard->entries;
    shard_unlock(shard);
  }
  *ret_counters = sum;
}
