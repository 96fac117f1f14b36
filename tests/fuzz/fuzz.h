// SPDX-License-Identifier: MIT
// What the fuzz targets share: a check that ends the run, memory for one input, and typed pieces of an input.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lumin/base/arena.h"
#include "lumin/domain/refusal.h"

// What each target defines; the corpus replay gives it a name of its own.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn static inline void fuzz_fail(const char *condition, const char *file, int line) {
  dprintf(STDERR_FILENO, "%s:%d: does not hold: %s\n", file, line, condition); // a target may have swapped stderr
  abort();
}
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

// The same arena for each input, empty.
static inline struct arena *fuzz_arena(void) {
  static struct arena *arena;
  if (arena == NULL) {
    arena = arena_create(64U << 20);
    FUZZ_CHECK(arena != NULL);
  }
  arena_reset(arena);
  return arena;
}

// An arena in which there is no room, for what happens then.
static inline struct arena *fuzz_arena_full(void) {
  static struct arena *arena;
  if (arena == NULL) {
    arena = arena_create(0);
    FUZZ_CHECK(arena != NULL);
  }
  return arena;
}

// Numbers from the input's front; zeros when it is used up.
struct bytes {
  struct span rest;
};

static inline uint8_t bytes_u8(struct bytes *bytes) {
  uint8_t value = bytes->rest.len > 0 ? (uint8_t)bytes->rest.data[0] : 0;
  bytes->rest = span_skip(bytes->rest, 1);
  return value;
}

static inline uint64_t bytes_u64(struct bytes *bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; i++) {
    value |= (uint64_t)bytes_u8(bytes) << (8 * i);
  }
  return value;
}

// The first line, without its end.
static inline struct span bytes_line(struct bytes *bytes) { return span_cut(&bytes->rest, '\n'); }

// A refusal says why, where and what is allowed, in words of the program's own: nothing of them can command a terminal.
static inline void fuzz_check_words(struct span text) {
  FUZZ_CHECK(text.len > 0 && text.len < 4096);
  for (size_t i = 0; i < text.len; i++) {
    FUZZ_CHECK(text.data[i] >= ' ' && text.data[i] <= '~');
  }
}

static inline void fuzz_check_refusal(const struct refusal *refusal) {
  FUZZ_CHECK(refusal->reason == LUMIN_INVALID_ARGUMENT);
  fuzz_check_words(refusal->message);
  fuzz_check_words(refusal->field);
  fuzz_check_words(refusal->allowed);
}
