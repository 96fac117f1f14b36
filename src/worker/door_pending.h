// SPDX-License-Identifier: MIT
// The commands that wait for their outcomes: found by token, and the oldest first, since all wait equally long. Pure.
#pragma once

#include "lumin/base/random.h"

// First member of what waits; owned by whoever adds it.
struct pending {
  char token[RANDOM_TOKEN_LEN]; // filled by pending_add's caller
  int64_t deadline_ns;          // never below that of one added before
  struct pending *chain;        // private, all three
  struct pending *newer;
  struct pending *older;
};

struct pending_table;

struct pending_table *pending_create(void);        // NULL without memory
void pending_destroy(struct pending_table *table); // does not free what waits; NULL is fine

void pending_add(struct pending_table *table, struct pending *entry);
struct pending *pending_find(const struct pending_table *table, struct span token); // NULL where there is none
void pending_remove(struct pending_table *table, struct pending *entry);
struct pending *pending_oldest(const struct pending_table *table); // NULL: nothing waits
size_t pending_count(const struct pending_table *table);
