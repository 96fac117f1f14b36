// SPDX-License-Identifier: MIT
// One lifetime for everything a batch or a request allocates: it grows in blocks up to a limit and is emptied at once.
// Keeps part of guarantee 11: memory is bounded by a limit, never by how much arrives.
#pragma once

#include "lumin/base/span.h"
#include "lumin/base/status.h"

struct arena;

// `limit` bounds the bytes that may be allocated between two resets. NULL when there is no memory. Freed by
// arena_destroy.
struct arena *arena_create(size_t limit);
void arena_destroy(struct arena *arena); // NULL is fine

// Empties the arena; every pointer from it is dead. Keeps its first block (64 KiB) and gives the others back.
void arena_reset(struct arena *arena);

// Zeroed bytes aligned for any type; NULL past the limit or without memory. `size` 0 gives a valid pointer.
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));
// An array; NULL also where count * size overflows.
void *arena_array(struct arena *arena, size_t count, size_t size) __attribute__((malloc, alloc_size(2, 3)));

// A copy of the bytes, with a NUL behind them that the span does not count; data is NULL where memory is short.
struct span arena_copy(struct arena *arena, struct span source);

// printf into the arena (for texts that are small); data is NULL where memory is short.
struct span arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Bytes handed out since the last reset, each piece rounded up to a multiple of 16 (size 0 to 16), and the limit given
// at creation, which counts the same way.
size_t arena_used(const struct arena *arena);
size_t arena_limit(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, count, type) ((type *)arena_array((arena), (count), sizeof(type)))

void arena_cleanup(struct arena **arena); // for __attribute__((cleanup))
#define ARENA_SCOPED __attribute__((cleanup(arena_cleanup)))
