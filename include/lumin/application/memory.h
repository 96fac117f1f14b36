// SPDX-License-Identifier: MIT
// What a lane remembers of users between batches, so that a batch needs no SELECT. An entry belongs to a partition and
// dies with its epoch or with the database connection; the least recently used go when the memory is full (guarantee
// 11).
#pragma once

#include "lumin/base/map.h"
#include "lumin/domain/user.h"

struct memory;

struct memory *memory_create(size_t limit); // bytes; NULL without memory
void memory_destroy(struct memory *memory);

// NULL where the user is not remembered. Valid until the user is put again, a trim, a forget or a clear.
const struct user *memory_get(struct memory *memory, const struct uuid *user_id);
// Copies the state; it may point into the entry that it replaces. Without memory the user is simply not remembered.
void memory_put(struct memory *memory, uint16_t partition, const struct user *user);
void memory_forget_partition(struct memory *memory, uint16_t partition);
// Throws out the least recently used until the limit is kept. Apart from memory_put, so that states that still point
// into entries can be put one after the other.
void memory_trim(struct memory *memory);
void memory_clear(struct memory *memory);
size_t memory_bytes(const struct memory *memory);

// A state's texts, for whoever keeps a copy: how many bytes they have together, and their move to `room`, which has as
// many; the state then points there.
size_t user_texts_len(const struct user *user);
void user_texts_move(struct user *user, char *room);
