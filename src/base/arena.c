// SPDX-License-Identifier: MIT
// Blocks of memory handed out front to back and given back at once. Keeps part of guarantee 11: what one arena holds is
// bounded by its limit. Under AddressSanitizer, whatever is not handed out is poisoned, so that a pointer that outlives
// a reset is caught as if it had been freed.
#include "lumin/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

enum {
  ALIGNMENT = _Alignof(max_align_t),
  BLOCK_SIZE = 64 * 1024,
  // What is larger gets a block of its own, so that at most a quarter of a common block is ever left unused.
  SHARED_MAX = BLOCK_SIZE / 4,
};

struct block {
  struct block *next;
  size_t capacity;
  size_t used;
  _Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
  size_t limit;
  size_t used;
  struct block *first;   // kept by a reset; the others hang behind it
  struct block *current; // where small requests go
};

static void *take_bytes(struct arena *arena, size_t size);
static struct block *find_room(struct arena *arena, size_t rounded);
static struct block *block_create(size_t capacity);
static void free_blocks(struct block *block);

struct arena *arena_create(size_t limit) {
  struct arena *arena = malloc(sizeof *arena);
  struct block *first = block_create(BLOCK_SIZE);
  if (!arena || !first) {
    free(first);
    free(arena);
    return NULL;
  }
  *arena = (struct arena){.limit = limit, .first = first, .current = first};
  return arena;
}

void arena_destroy(struct arena *arena) {
  if (!arena)
    return;
  free_blocks(arena->first);
  free(arena);
}

void arena_reset(struct arena *arena) {
  struct block *first = arena->first;
  free_blocks(first->next);
  first->next = NULL;
  first->used = 0;
  ASAN_POISON_MEMORY_REGION(first->bytes, first->capacity);
  arena->current = first;
  arena->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size) {
  void *bytes = take_bytes(arena, size);
  if (bytes && size > 0)
    memset(bytes, 0, size);
  return bytes;
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
  size_t bytes;
  return __builtin_mul_overflow(count, size, &bytes) ? NULL : arena_alloc(arena, bytes);
}

struct span arena_copy(struct arena *arena, struct span source) {
  char *copy = source.len == SIZE_MAX ? NULL : take_bytes(arena, source.len + 1);
  if (!copy)
    return SPAN_EMPTY;
  if (source.len > 0)
    memcpy(copy, source.data, source.len);
  copy[source.len] = '\0';
  return span_of(copy, source.len);
}

struct span arena_printf(struct arena *arena, const char *format, ...) {
  char small[256]; // most texts fit, and are then formatted only once
  va_list arguments;
  va_start(arguments, format);
  int len = vsnprintf(small, sizeof small, format, arguments);
  va_end(arguments);
  if (len < 0)
    return SPAN_EMPTY;
  if ((size_t)len < sizeof small)
    return arena_copy(arena, span_of(small, (size_t)len));

  char *text = take_bytes(arena, (size_t)len + 1);
  if (!text)
    return SPAN_EMPTY;
  va_start(arguments, format);
  len = vsnprintf(text, (size_t)len + 1, format, arguments);
  va_end(arguments);
  return len < 0 ? SPAN_EMPTY : span_of(text, (size_t)len);
}

size_t arena_used(const struct arena *arena) { return arena->used; }

size_t arena_limit(const struct arena *arena) { return arena->limit; }

void arena_cleanup(struct arena **arena) {
  arena_destroy(*arena);
  *arena = NULL;
}

// Bytes that are not zeroed. Even size 0 takes its place, so that the limit bounds the number of pointers too.
static void *take_bytes(struct arena *arena, size_t size) {
  if (size > SIZE_MAX - sizeof(struct block) - ALIGNMENT)
    return NULL;
  size_t rounded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (rounded > arena->limit - arena->used)
    return NULL;
  struct block *block = find_room(arena, rounded);
  if (!block)
    return NULL;
  unsigned char *bytes = block->bytes + block->used;
  block->used += rounded;
  arena->used += rounded;
  ASAN_UNPOISON_MEMORY_REGION(bytes, size);
  return bytes;
}

static struct block *find_room(struct arena *arena, size_t rounded) {
  struct block *current = arena->current;
  if (rounded <= current->capacity - current->used)
    return current;
  bool own = rounded > SHARED_MAX;
  struct block *block = block_create(own ? rounded : BLOCK_SIZE);
  if (!block)
    return NULL;
  block->next = arena->first->next;
  arena->first->next = block;
  if (!own)
    arena->current = block;
  return block;
}

static struct block *block_create(size_t capacity) {
  struct block *block = malloc(sizeof *block + capacity);
  if (!block)
    return NULL;
  *block = (struct block){.capacity = capacity};
  ASAN_POISON_MEMORY_REGION(block->bytes, capacity);
  return block;
}

static void free_blocks(struct block *block) {
  while (block) {
    struct block *next = block->next;
    free(block);
    block = next;
  }
}
