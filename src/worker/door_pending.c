// SPDX-License-Identifier: MIT
// Chained hashing over a table of fixed size: tokens are ours and random, so nobody can crowd one chain, and their
// first bytes are hash enough.
#include "door_pending.h"

#include <stdlib.h>

#define BUCKETS 16384U // a power of two; a quarter of the most that may wait

struct pending_table {
  struct pending *buckets[BUCKETS];
  struct pending *oldest, *newest;
  size_t count;
};

struct pending_table *pending_create(void) {
  return calloc(1, sizeof(struct pending_table));
}

void pending_destroy(struct pending_table *table) { free(table); }

static size_t bucket_of(const char *token) {
  uint64_t head = 0;
  memcpy(&head, token, sizeof head);
  head *= UINT64_C(0x9e3779b97f4a7c15); // base62 leaves some bits of a byte alone
  return (size_t)(head >> 50) & (BUCKETS - 1);
}

void pending_add(struct pending_table *table, struct pending *entry) {
  struct pending **bucket = &table->buckets[bucket_of(entry->token)];
  entry->chain = *bucket;
  *bucket = entry;
  entry->newer = NULL;
  entry->older = table->newest;
  *(table->newest != NULL ? &table->newest->newer : &table->oldest) = entry;
  table->newest = entry;
  table->count++;
}

struct pending *pending_find(const struct pending_table *table, struct span token) {
  if (token.len != RANDOM_TOKEN_LEN) {
    return NULL;
  }
  struct pending *entry = table->buckets[bucket_of(token.data)];
  while (entry != NULL && memcmp(entry->token, token.data, RANDOM_TOKEN_LEN) != 0) {
    entry = entry->chain;
  }
  return entry;
}

void pending_remove(struct pending_table *table, struct pending *entry) {
  struct pending **place = &table->buckets[bucket_of(entry->token)];
  while (*place != entry) {
    place = &(*place)->chain;
  }
  *place = entry->chain;
  *(entry->newer != NULL ? &entry->newer->older : &table->newest) = entry->older;
  *(entry->older != NULL ? &entry->older->newer : &table->oldest) = entry->newer;
  table->count--;
}

struct pending *pending_oldest(const struct pending_table *table) {
  return table->oldest;
}

size_t pending_count(const struct pending_table *table) { return table->count; }
