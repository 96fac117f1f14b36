// SPDX-License-Identifier: MIT
// A table of slots in one piece, probed one after the other. Removing moves the followers back instead of leaving a
// mark, so that a table with much coming and going stays as fast as a new one.
#include "lumin/base/map.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 16 };

struct slot {
  struct uuid key;
  void *value; // NULL where the slot is free
};

struct uuid_map {
  struct slot *slots;
  size_t mask; // the capacity, a power of two, less 1
  size_t count;
};

static size_t find_slot(const struct slot *slots, size_t mask, const struct uuid *key);
static enum lumin_status map_grow(struct uuid_map *map);

struct uuid_map *uuid_map_create(void) {
  struct uuid_map *map = malloc(sizeof *map);
  struct slot *slots = calloc(FIRST_CAPACITY, sizeof *slots);
  if (!map || !slots) {
    free(slots);
    free(map);
    return NULL;
  }
  *map = (struct uuid_map){.slots = slots, .mask = FIRST_CAPACITY - 1};
  return map;
}

void uuid_map_destroy(struct uuid_map *map) {
  if (!map)
    return;
  free(map->slots);
  free(map);
}

void *uuid_map_get(const struct uuid_map *map, const struct uuid *key) {
  return map->slots[find_slot(map->slots, map->mask, key)].value;
}

enum lumin_status uuid_map_put(struct uuid_map *map, const struct uuid *key, void *value, void **ret_old) {
  if (!value)
    return LUMIN_INVALID_ARGUMENT;
  struct slot *slot = &map->slots[find_slot(map->slots, map->mask, key)];
  void *old = slot->value;
  if (!old) {
    if (map->count >= (map->mask + 1) * 7 / 10) {
      enum lumin_status status = map_grow(map);
      if (status != LUMIN_OK)
        return status;
      slot = &map->slots[find_slot(map->slots, map->mask, key)];
    }
    slot->key = *key;
    map->count++;
  }
  slot->value = value;
  if (ret_old)
    *ret_old = old;
  return LUMIN_OK;
}

void *uuid_map_remove(struct uuid_map *map, const struct uuid *key) {
  struct slot *slots = map->slots;
  size_t hole = find_slot(slots, map->mask, key);
  void *removed = slots[hole].value;
  if (!removed)
    return NULL;
  for (size_t i = (hole + 1) & map->mask; slots[i].value; i = (i + 1) & map->mask) {
    // An entry may move back into the hole unless its own place lies behind the hole.
    size_t home = (size_t)uuid_hash(&slots[i].key) & map->mask;
    if (((i - home) & map->mask) < ((i - hole) & map->mask))
      continue;
    slots[hole] = slots[i];
    hole = i;
  }
  slots[hole].value = NULL;
  map->count--;
  return removed;
}

size_t uuid_map_count(const struct uuid_map *map) { return map->count; }

void uuid_map_each(const struct uuid_map *map, void (*visit)(void *context, const struct uuid *key, void *value),
                   void *context) {
  for (size_t i = 0; i <= map->mask; i++)
    if (map->slots[i].value)
      visit(context, &map->slots[i].key, map->slots[i].value);
}

void uuid_map_clear(struct uuid_map *map) {
  if (map->count == 0)
    return;
  memset(map->slots, 0, (map->mask + 1) * sizeof *map->slots);
  map->count = 0;
}

// The slot that holds the key, or the free one where it belongs; there is always a free one.
static size_t find_slot(const struct slot *slots, size_t mask, const struct uuid *key) {
  size_t i = (size_t)uuid_hash(key) & mask;
  while (slots[i].value && !uuid_equal(&slots[i].key, key))
    i = (i + 1) & mask;
  return i;
}

static enum lumin_status map_grow(struct uuid_map *map) {
  size_t capacity = (map->mask + 1) * 2;
  struct slot *slots = calloc(capacity, sizeof *slots); // refuses a product that overflows
  if (!slots)
    return LUMIN_NO_MEMORY;
  for (size_t i = 0; i <= map->mask; i++)
    if (map->slots[i].value)
      slots[find_slot(slots, capacity - 1, &map->slots[i].key)] = map->slots[i];
  free(map->slots);
  map->slots = slots;
  map->mask = capacity - 1;
  return LUMIN_OK;
}
