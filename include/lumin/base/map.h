// SPDX-License-Identifier: MIT
// A hash table from UUIDs to pointers: open addressing, owned by one thread.
#pragma once

#include "lumin/base/uuid.h"

struct uuid_map;

struct uuid_map *uuid_map_create(void);                                 // NULL without memory
void uuid_map_destroy(struct uuid_map *map);                            // does not free the values; NULL is fine
void *uuid_map_get(const struct uuid_map *map, const struct uuid *key); // NULL where there is none
// Stores or replaces; INVALID_ARGUMENT where `value` is NULL. *ret_old, where not NULL, gets what stood there or NULL.
LUMIN_MUST_USE enum lumin_status uuid_map_put(struct uuid_map *map, const struct uuid *key, void *value,
                                              void **ret_old);
void *uuid_map_remove(struct uuid_map *map, const struct uuid *key); // what stood there, or NULL
size_t uuid_map_count(const struct uuid_map *map);
// Calls `visit` for each entry, in an order that differs between processes; visit must not change the map.
void uuid_map_each(const struct uuid_map *map, void (*visit)(void *context, const struct uuid *key, void *value),
                   void *context);
void uuid_map_clear(struct uuid_map *map); // keeps the table's memory
