// SPDX-License-Identifier: MIT
// The arena: its limit holds (guarantee 11), its bytes are zeroed, aligned and apart from each other, a reset empties
// it.
#include "lumin/base/arena.h"

#include <criterion/criterion.h>
#include <stdalign.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

static bool all_bytes_are(const unsigned char *bytes, size_t len, unsigned char value) {
  for (size_t i = 0; i < len; i++)
    if (bytes[i] != value)
      return false;
  return true;
}

Test(arena, bytes_are_zeroed_also_after_a_reset) {
  ARENA_SCOPED struct arena *arena = arena_create(1 << 20);
  for (int round = 0; round < 3; round++) {
    for (size_t size = 1; size < 50000; size = size * 3 + 1) {
      unsigned char *bytes = arena_alloc(arena, size);
      cr_assert_not_null(bytes);
      cr_assert(all_bytes_are(bytes, size, 0), "round %d, size %zu", round, size);
      memset(bytes, 0xaa, size);
    }
    arena_reset(arena);
  }
}

Test(arena, pieces_are_aligned_and_do_not_overlap) {
  enum { PIECES = 4000 };
  ARENA_SCOPED struct arena *arena = arena_create(SIZE_MAX);
  static unsigned char *pieces[PIECES];
  static size_t sizes[PIECES];
  for (size_t i = 0; i < PIECES; i++) {
    sizes[i] = i % 97 == 0 ? 10000 + i * 20 : i % 61; // some get a block of their own
    pieces[i] = arena_alloc(arena, sizes[i]);
    cr_assert_not_null(pieces[i]);
    cr_assert_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
    if (sizes[i] > 0)
      memset(pieces[i], (int)(i % 251), sizes[i]);
  }
  for (size_t i = 0; i < PIECES; i++)
    cr_assert(all_bytes_are(pieces[i], sizes[i], (unsigned char)(i % 251)), "piece %zu", i);
}

Test(arena, the_limit_is_exact_and_a_refusal_changes_nothing) {
  ARENA_SCOPED struct arena *arena = arena_create(1024);
  cr_assert_eq(arena_limit(arena), 1024);
  cr_assert_null(arena_alloc(arena, 1025));
  cr_assert_eq(arena_used(arena), 0);
  cr_assert_not_null(arena_alloc(arena, 1000));
  cr_assert_eq(arena_used(arena), 1008);
  cr_assert_null(arena_alloc(arena, 17));
  cr_assert_not_null(arena_alloc(arena, 16));
  cr_assert_null(arena_alloc(arena, 1));
  cr_assert_null(arena_alloc(arena, 0), "an endless stream of empty pieces must end too");
  cr_assert_eq(arena_used(arena), 1024);
  arena_reset(arena);
  cr_assert_eq(arena_used(arena), 0);
  cr_assert_not_null(arena_alloc(arena, 1024));
}

Test(arena, the_limit_holds_over_many_blocks) {
  enum { LIMIT = 1000 * 1000 };
  ARENA_SCOPED struct arena *arena = arena_create(LIMIT);
  for (int round = 0; round < 2; round++) {
    size_t count = 0;
    while (arena_alloc(arena, 160))
      count++;
    cr_assert_eq(count, LIMIT / 160);
    arena_reset(arena);
  }
}

Test(arena, a_large_piece_leaves_the_common_block_in_use) {
  ARENA_SCOPED struct arena *arena = arena_create(SIZE_MAX);
  unsigned char *before = arena_alloc(arena, 64);
  unsigned char *large = arena_alloc(arena, 1 << 20);
  unsigned char *after = arena_alloc(arena, 64);
  cr_assert_not_null(large);
  cr_assert_eq(after, before + 64);
}

Test(arena, size_0_gives_pointers_of_their_own) {
  ARENA_SCOPED struct arena *arena = arena_create(1024);
  void *first = arena_alloc(arena, 0);
  void *second = arena_alloc(arena, 0);
  cr_assert_not_null(first);
  cr_assert_neq(first, second);
}

Test(arena, sizes_that_overflow_are_refused) {
  ARENA_SCOPED struct arena *arena = arena_create(SIZE_MAX);
  volatile size_t most = SIZE_MAX; // hidden from the compiler, which would warn
  cr_assert_null(arena_alloc(arena, most));
  cr_assert_null(arena_alloc(arena, most - 15));
  cr_assert_null(arena_array(arena, most / 2, 3));
  cr_assert_null(arena_array(arena, 1 + most / 16, 16), "the product is 0 modulo 2^64");
  cr_assert_null(arena_copy(arena, span_of("", most)).data);
  cr_assert_eq(arena_used(arena), 0);
  uint64_t *numbers = ARENA_ARRAY(arena, 100, uint64_t);
  cr_assert(all_bytes_are((unsigned char *)numbers, 800, 0));
}

Test(arena, copies_end_with_a_nul_that_is_not_counted) {
  ARENA_SCOPED struct arena *arena = arena_create(64);
  char source[] = "a\0bc";
  struct span copy = arena_copy(arena, span_of(source, 4));
  source[0] = 'x';
  cr_assert(span_equal(copy, SPAN_LITERAL("a\0bc")));
  cr_assert_eq(copy.data[4], '\0');
  struct span empty = arena_copy(arena, SPAN_EMPTY);
  cr_assert_not_null(empty.data);
  cr_assert_eq(empty.len, 0);
  cr_assert_eq(empty.data[0], '\0');
  cr_assert_not_null(arena_copy(arena, SPAN_LITERAL("0123456789abcde")).data);
  cr_assert_null(arena_copy(arena, SPAN_LITERAL("0123456789abcdef")).data, "the NUL needs its place too");
}

Test(arena, printf_formats_short_and_long_texts) {
  ARENA_SCOPED struct arena *arena = arena_create(4096);
  cr_assert(span_equal(arena_printf(arena, "%s:%d", "user", 7), SPAN_LITERAL("user:7")));
  for (int len = 250; len < 260; len++) { // around the size of its buffer
    struct span text = arena_printf(arena, "%0*d", len, 5);
    cr_assert_eq(text.len, (size_t)len);
    cr_assert_eq(text.data[len - 1], '5');
    cr_assert_eq(text.data[len], '\0');
  }
  cr_assert_null(arena_printf(arena, "%04096d", 1).data);
}

Test(arena, cleanup_and_destroy_take_null) {
  struct arena *arena = arena_create(1);
  arena_cleanup(&arena);
  cr_assert_null(arena);
  arena_cleanup(&arena);
  arena_destroy(NULL);
}

#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>

Test(arena, a_reset_poisons_what_was_handed_out) {
  ARENA_SCOPED struct arena *arena = arena_create(4096);
  char *bytes = arena_alloc(arena, 21);
  cr_assert_not(__asan_address_is_poisoned(bytes + 20));
  cr_assert(__asan_address_is_poisoned(bytes + 21));
  arena_reset(arena);
  cr_assert(__asan_address_is_poisoned(bytes));
}
#endif
